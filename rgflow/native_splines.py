"""Splines in machine code, for float32 on a CPU: `rgflow.splines` where no graph is wanted."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from rgflow.kernels.spline_bins import Settings


def suits(x: Tensor, raw: Tensor) -> bool:
    """Whether there is machine code for splines of these numbers, and nobody looks inside."""
    return (
        x.dtype == raw.dtype == torch.float32
        and x.device.type == raw.device.type == "cpu"
        and x.numel() > 0
        and not (torch.is_grad_enabled() and (x.requires_grad or raw.requires_grad))
        and not torch.compiler.is_compiling()
        and not torch._C._are_functorch_transforms_active()
    )


def evaluate(
    x: Tensor, raw: Tensor, bins: int, bound: float, *, inverse: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """As `rgflow.splines.evaluate`; what is kept are the arguments."""
    from rgflow.kernels import spline, threads

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
    """As `rgflow.splines.pull_back`."""
    from rgflow.kernels import spline, threads

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
    axes = tensors[0].dim()
    return [(t.flatten(1) if t.dim() > axes else t.flatten()).detach().numpy() for t in tensors]


@functools.lru_cache(maxsize=64)
def _settings(bins: int, bound: float, inverse: bool) -> Settings:
    from rgflow.kernels.spline_bins import Settings
    from rgflow.splines import MIN_BIN, MIN_SLOPE, SHIFT

    numbers = (np.float32(n) for n in (bound, 2 * bound * MIN_BIN, MIN_SLOPE, SHIFT))
    return Settings(bins, *numbers, inverse)
