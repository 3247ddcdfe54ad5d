"""Samples of flows trained on MSDS that are no pictures of ellipses."""

from __future__ import annotations

import torch
from torch import Tensor

WHITE = 250  # shade above which no pixel of an ellipse lies in all channels
MOST = 3  # such pixels that an image may have


def broken_samples(images: Tensor) -> Tensor:
    """Which images have more than three pixels above 250 in all channels.

    In MSDS1 no ellipse is so bright, in MSDS2 fewer than one image of a thousand has one; samples
    that have such pixels mostly have a spot where the inverse of the couplings has run away.

    Args:
        images: uint8 ``(N, C, L, L)``.

    Returns:
        Booleans, ``(N,)``.

    Raises:
        ValueError: For another type or shape.

    >>> broken_samples(torch.full((2, 3, 8, 8), 255, dtype=torch.uint8)).tolist()
    [True, True]
    """
    if images.dtype != torch.uint8 or images.dim() != 4:
        raise ValueError(
            f"got images of type {images.dtype} and shape {tuple(images.shape)}, expected "
            "torch.uint8 and (N, C, L, L)"
        )
    return (images.amin(1) > WHITE).flatten(1).sum(1) > MOST
