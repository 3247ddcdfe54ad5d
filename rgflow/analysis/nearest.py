"""The images of a set that are nearest to given ones, in which copies of them would be seen."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor


class NearestImages(NamedTuple):
    """The nearest images, uint8 ``(N, C, L, L)``, and how far they are, in shades ``(N,)``."""

    images: Tensor
    differences: Tensor


@torch.no_grad()
def nearest_images(
    images: Tensor, parts: Iterable[Tensor], compared: Tensor | None = None
) -> NearestImages:
    """For each image the nearest of a set, by the root of the mean squared difference of shades.

    Args:
        images: uint8 ``(N, C, L, L)``.
        parts: The set in parts ``(n, C, L, L)`` of uint8, one of which is in memory at a time.
        compared: ``(L, L)`` bool, the pixels that count; all of them if None.

    Raises:
        ValueError: If the set is empty.
    """
    if compared is None:
        compared = torch.ones(images.shape[-2:], dtype=torch.bool, device=images.device)
    wanted = images[..., compared].flatten(1).float()  # (N, D)
    best = images.new_full((len(images),), torch.inf, dtype=torch.float32)
    nearest = torch.zeros_like(images)
    for part in parts:
        known = part.to(images.device)[..., compared].flatten(1).float()  # (n, D)
        # |a - b|^2 = |a|^2 - 2 a b + |b|^2, of which the first term is the same for all b
        squares = known.square().sum(1) - 2 * wanted @ known.T  # (N, n)
        smallest, where = squares.min(1)
        closer = smallest < best
        best = torch.where(closer, smallest, best)
        nearest[closer] = part.to(images.device)[where[closer]]
    if not bool(best.isfinite().all()):
        raise ValueError("got an empty set of images, expected one image or more")
    differences = (nearest[..., compared].flatten(1).float() - wanted).square().mean(1).sqrt()
    return NearestImages(nearest, differences)
