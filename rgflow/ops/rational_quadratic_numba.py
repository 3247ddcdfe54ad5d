"""Rational-quadratic splines in machine code, for float32 on a CPU where no graph is wanted."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rgflow.ops.kernels.constants import MIN_BIN, MIN_SLOPE, SHIFT

if TYPE_CHECKING:
    from rgflow.ops.kernels.spline_bins import Settings


def evaluate(
    x: Tensor, raw: Tensor, bins: int, bound: float, *, inverse: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """As `rgflow.ops.rational_quadratic.evaluate`; what is kept are the arguments."""
    from rgflow.ops.kernels import spline, threads

    x, raw = x.contiguous(), raw.contiguous()
    image, log_slope = torch.empty_like(x), torch.empty_like(x)
    settings = _settings(bins, bound, inverse)
    arrays = _rows([x, raw, image, log_slope])
    threads.in_parallel(
        lambda _, *ends: spline.run(*arrays, settings, *ends), x.numel(), spline.TILE
    )
    return image, log_slope, [x, raw]


def pull_back(
    grad: Tensor,
    log_slope_grad: Tensor,
    kept: Sequence[Tensor],
    bins: int,
    bound: float,
    *,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    """As `rgflow.ops.rational_quadratic.pull_back`."""
    from rgflow.ops.kernels import spline, threads

    x, raw = kept
    grads = [grad.contiguous(), log_slope_grad.expand_as(x).contiguous()]
    found = torch.empty_like(x), torch.empty_like(raw)
    settings = _settings(bins, bound, inverse)
    arrays = _rows([x, raw, *grads, *found])
    threads.in_parallel(
        lambda _, *ends: spline.run_back(*arrays, settings, *ends), x.numel(), spline.TILE
    )
    return found


def _rows(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Those with an axis of parameters in front as matrices, the others as vectors."""
    count = tensors[0].numel()
    shapes = [(-1, count) if t.numel() > count else (count,) for t in tensors]
    return [t.detach().view(shape).numpy() for t, shape in zip(tensors, shapes, strict=True)]


@functools.lru_cache(maxsize=64)
def _settings(bins: int, bound: float, inverse: bool) -> Settings:
    from rgflow.ops.kernels.spline_bins import Settings

    numbers = (np.float32(n) for n in (bound, 2 * bound * MIN_BIN, MIN_SLOPE, SHIFT))
    return Settings(bins, *numbers, inverse)
