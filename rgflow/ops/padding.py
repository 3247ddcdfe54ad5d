"""Periodic padding with a hand-written gradient."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rgflow.ops.choice import hand_written_gradients


def circular_pad(x: Tensor, width: int) -> Tensor:
    """Continues a periodic lattice on all sides: ``(..., H, W) -> (..., H + 2 w, W + 2 w)``.

    Args:
        x: Fields on the lattice.
        width: w, from 0 to H and W.
    """
    if width == 0:
        return x
    return _CircularPad.apply(x, width) if hand_written_gradients() else _padded(x, width)


def _padded(x: Tensor, width: int) -> Tensor:
    x = torch.cat((x[..., -width:, :], x, x[..., :width, :]), -2)
    return torch.cat((x[..., -width:], x, x[..., :width]), -1)


class _CircularPad(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, width: int) -> Tensor:
        ctx.width = width
        return _padded(x, width)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        w = ctx.width
        rows = grad[..., w:-w].clone()
        rows[..., :w] += grad[..., -w:]
        rows[..., -w:] += grad[..., :w]
        out = rows[..., w:-w, :].clone()
        out[..., :w, :] += rows[..., -w:, :]
        out[..., -w:, :] += rows[..., :w, :]
        return out, None
