"""Figures and pictures: tensors in, a matplotlib figure or an image out."""
