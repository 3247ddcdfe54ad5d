"""Image sets: the MSDS generators, torchvision's sets, folders, and the Lightning data module."""

from rgflow.data.msds import MSDS, generate_msds, load_msds

__all__ = ["MSDS", "generate_msds", "load_msds"]
