"""Sums with a cut-off, and fields smeared in real space or cut in momentum space."""
