"""Invertible renormalization: hierarchical normalizing flows for physics and images."""
