"""Inner loops of a flow with hand-written gradients: the affine map and periodic padding.

Autograd would keep every intermediate and run two small operations for each of ours; on small
blocks that costs more than the matrix products. The gradients are written as plain tensor
operations of the saved *inputs* where a graph of the gradient is asked for (second derivatives,
torch.func), and use what the forward pass computed where it is not.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def affine(b: Tensor, parameters: Tensor, bound: float, *, inverse: bool) -> tuple[Tensor, Tensor]:
    """``b exp(s) + t`` or its inverse ``(b - t) exp(-s)``, with ``s = bound tanh(raw / bound)``.

    Args:
        b: ``(N, D, ...)``.
        parameters: ``(N, 2 D, ...)``, raw log-scales then shifts.
        bound: Largest absolute log-scale.
        inverse: Which of the two.

    Returns:
        The image, shaped like b, and the log_det ``(N,)`` of the map just applied.
    """
    run = _Affine.forward if torch.compiler.is_compiling() else _Affine.apply
    return run(b, parameters, bound, inverse)[:2]


class _Affine(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        b: Tensor, parameters: Tensor, bound: float, inverse: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        raw, shift = parameters.chunk(2, 1)
        sign = -1 if inverse else 1
        # tanh by the sigmoid, which is twice as fast on a CPU
        squashed = torch.sigmoid(raw * (2 / bound)).mul(2).sub(1)
        factor = torch.exp(squashed * (sign * bound))
        image = (b - shift) * factor if inverse else torch.addcmul(shift, b, factor)
        return image, squashed.flatten(1).sum(1) * (sign * bound), squashed, factor

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        b, parameters, ctx.bound, ctx.inverse = inputs
        image, _, squashed, factor = output
        ctx.mark_non_differentiable(squashed, factor)
        ctx.set_materialize_grads(False)  # zeros for the two above would cost as much as they do
        ctx.save_for_backward(b, parameters, image, squashed, factor)

    @staticmethod
    def backward(
        ctx: Any, grad: Tensor | None, log_det_grad: Tensor | None, *_: None
    ) -> tuple[Any, ...]:
        b, parameters, image, squashed, factor = ctx.saved_tensors
        grad = torch.zeros_like(b) if grad is None else grad
        log_det_grad = b.new_zeros(len(b)) if log_det_grad is None else log_det_grad
        if torch.is_grad_enabled():
            image, _, squashed, factor = _Affine.forward(b, parameters, ctx.bound, ctx.inverse)
        grad_b = grad * factor
        weight = log_det_grad.view(-1, *[1] * (b.dim() - 1))
        # d image / d s is b exp(s), and minus the image for the inverse
        pulled = torch.addcmul(weight, *((grad, image) if ctx.inverse else (grad_b, b)))
        grad_raw = pulled * (1 - squashed * squashed)
        if ctx.inverse:
            return grad_b, torch.cat((-grad_raw, -grad_b), 1), None, None
        return grad_b, torch.cat((grad_raw, grad), 1), None, None


def circular_pad(x: Tensor, width: int) -> Tensor:
    """A periodic lattice continued on all sides: ``(..., H, W) -> (..., H + 2 w, W + 2 w)``."""
    if torch.compiler.is_compiling():
        return _CircularPad.forward(x, width)
    return _CircularPad.apply(x, width)


class _CircularPad(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, width: int) -> Tensor:
        x = torch.cat((x[..., -width:, :], x, x[..., :width, :]), -2)
        return torch.cat((x[..., -width:], x, x[..., :width]), -1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.width = inputs[1]

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
