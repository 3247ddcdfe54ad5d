"""Samples of flows trained on MSDS that are no pictures of ellipses."""

from __future__ import annotations

from torch import Tensor

from rgflow.data.ellipse_fit import CLEAR_SHADE, Ellipses

BRIGHT = 250
MOST_BRIGHT_PIXELS = 3
"""A sample is broken if more of its pixels than these are above `BRIGHT` in all channels."""


def are_broken(images: Tensor) -> Tensor:
    """Whether images of MSDS have more than three pixels above 250 in all channels.

    In MSDS so many pixels are so bright in fewer than one image of a thousand; samples that have
    them mostly have a spot where the inverse of the couplings has run away.

    Args:
        images: uint8 ``(N, C, L, L)``.

    Returns:
        ``(N,)`` bool.

    >>> import torch
    >>> are_broken(torch.full((2, 3, 8, 8), 255, dtype=torch.uint8)).tolist()
    [True, True]
    """
    return (images.amin(1) > BRIGHT).flatten(1).sum(1) > MOST_BRIGHT_PIXELS


def unclear_share(ellipses: Ellipses) -> Tensor:
    """The share of an image's cells that hold something else than an ellipse, ``(N,)``.

    Cells whose fitted ellipse is nearly black hold nothing that could be judged; they do not count
    as unclear.
    """
    is_dark = ellipses.colour.amax(-1) < CLEAR_SHADE
    return (~ellipses.is_clear & ~is_dark).float().mean(-1)
