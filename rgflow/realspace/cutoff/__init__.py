"""Sums with a smooth cut-off; fields cut in momentum space or smeared in real space."""
