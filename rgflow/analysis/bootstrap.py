"""Standard errors of anything that is computed from averages over images."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.runtime.seeds import generator_for

DRAWS = 200


class Estimated(NamedTuple):
    """Values and their standard errors, of one shape."""

    value: Tensor
    error: Tensor


def bootstrap(
    numbers: Callable[[Tensor], tuple[Tensor, ...]], count: int, seed: int = 0
) -> list[Estimated]:
    """What is computed from weights of the images, with errors from images drawn with repetition.

    Args:
        numbers: Takes weights ``(draws, N)``, how often each image counts, and gives tensors
            ``(draws, ...)``.
        count: Number N of images.
        seed: Seed of the draws.

    Returns:
        For each of these tensors its values for all weights one, and their standard errors.

    Raises:
        ValueError: If there are fewer than two images.

    >>> x = torch.randn(4000, generator=torch.Generator().manual_seed(0)).double()
    >>> (mean,) = bootstrap(lambda weights: (weights @ x / len(x),), 4000)
    >>> 0.014 < float(mean.error) < 0.018  # 1 / sqrt(4000) = 0.0158
    True
    """
    if count < 2:
        raise ValueError(f"got {count} images, expected at least 2 for a standard error")
    drawn = torch.randint(count, (DRAWS, count), generator=generator_for("bootstrap", seed))
    weights = torch.zeros(DRAWS, count, dtype=torch.float64)
    weights.scatter_add_(1, drawn, torch.ones_like(weights))
    values, again = numbers(torch.ones_like(weights[:1])), numbers(weights)
    return [Estimated(v[0], a.std(0)) for v, a in zip(values, again, strict=True)]
