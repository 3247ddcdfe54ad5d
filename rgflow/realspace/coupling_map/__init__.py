"""The map J -> J' of the coupling, its fixed point, its exponent."""
