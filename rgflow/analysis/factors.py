"""Factors of variation of images, and how far two images differ in one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor


class Factor(NamedTuple):
    """A factor of variation of N images.

    Attributes:
        values: ``(N, places, d)``: one place for a factor of the whole image, one for each cell
            for those of what is in the cell. An angle is a unit vector, so that differences of
            values are small where those of angles are.
        weights: ``(N, places)``, 1 where the value is known and 0 where it is not.
    """

    values: Tensor
    weights: Tensor


Factors = Mapping[str, Factor]
Measure = Callable[[Tensor], Factors]
"""Measures the factors of uint8 images ``(N, C, L, L)``."""


def squared_difference(a: Factor, b: Factor) -> tuple[Tensor, Tensor]:
    """Sums over places of ``|a - b|^2``, where both are known, and of weights, ``(N,)`` each."""
    weights = a.weights * b.weights
    return ((a.values - b.values).square().sum(-1) * weights).sum(1), weights.sum(1)


def independent_difference(factor: Factor) -> tuple[Tensor, Tensor]:
    """What each image adds to the squared difference of two independent ones; with weights.

    The mean of ``|a - b|^2`` over independent a and b is twice the variance.

    Returns:
        Sums over the places of ``2 |a - mean|^2`` and of the weights, ``(N,)`` each.
    """
    values, weights = factor.values, factor.weights
    total = weights.sum(0).clamp_min(1)  # (places,)
    mean = (values * weights[..., None]).sum(0) / total[:, None]  # (places, d)
    unbiased = total / (total - 1).clamp_min(1)
    spread = 2 * (values - mean).square().sum(-1) * weights * unbiased
    return spread.sum(1), weights.sum(1)
