"""Rational-quadratic splines in machine code, for float32 on a CPU."""

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


def spline(
    x: Tensor, raw: Tensor, bins: int, bound: float, inverse: bool
) -> tuple[Tensor, Tensor]:
    """The image and the log-slope of elements ``(...)`` with parameters ``(3 K - 1, ...)``.

    x and raw must be contiguous; the vjp needs no other tensors.
    """
    from rgflow.ops.kernels import spline as kernel
    from rgflow.ops.kernels import threads

    image, log_slope = torch.empty_like(x), torch.empty_like(x)
    settings = _settings(bins, bound, inverse)
    arrays = _rows([x, raw, image, log_slope])
    threads.in_parallel(
        lambda _, *ends: kernel.rational_quadratic(*arrays, settings, *ends),
        x.numel(),
        kernel.TILE,
    )
    return image, log_slope


def spline_vjp(
    grad: Tensor,
    log_slope_grad: Tensor,
    x: Tensor,
    raw: Tensor,
    bins: int,
    bound: float,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients in x and in the raw parameters, from those in the image and the log-slope."""
    from rgflow.ops.kernels import spline as kernel
    from rgflow.ops.kernels import threads

    grads = [grad.contiguous(), log_slope_grad.expand_as(x).contiguous()]
    found = torch.empty_like(x), torch.empty_like(raw)
    settings = _settings(bins, bound, inverse)
    arrays = _rows([x, raw, *grads, *found])
    threads.in_parallel(
        lambda _, *ends: kernel.rational_quadratic_vjp(*arrays, settings, *ends),
        x.numel(),
        kernel.TILE,
    )
    return found


def _rows(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Tensors with a first axis of parameters as matrices ``(3 K - 1, M)``, others as ``(M,)``."""
    count = tensors[0].numel()
    shapes = [(-1, count) if t.numel() > count else (count,) for t in tensors]
    return [t.detach().view(shape).numpy() for t, shape in zip(tensors, shapes, strict=True)]


@functools.lru_cache(maxsize=64)
def _settings(bins: int, bound: float, inverse: bool) -> Settings:
    from rgflow.ops.kernels.spline_bins import Settings

    numbers = (np.float32(n) for n in (bound, 2 * bound * MIN_BIN, MIN_SLOPE, SHIFT))
    return Settings(bins, *numbers, inverse)
