"""The renormalization of the coupling, J -> J': fixed point, exponent, correlation length."""
