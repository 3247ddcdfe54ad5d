"""Image sets: the MSDS generators, torchvision's sets, folders, and the Lightning data module."""

from typing import Any

from rgflow.data.msds import MSDS, generate_msds, load_msds

__all__ = ["MSDS", "ImageDataModule", "generate_msds", "load_msds"]


def __getattr__(name: str) -> Any:
    if name == "ImageDataModule":  # imports Lightning, which takes seconds
        from rgflow.data.module import ImageDataModule

        return ImageDataModule
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
