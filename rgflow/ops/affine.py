"""The affine map of a coupling with a hand-written gradient.

Autograd would save every intermediate result and run twice as many small operations, which on
small blocks cost more than the matrix products of the nets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rgflow.ops.contract import FastTransform, TransformResult
from rgflow.ops.tensors import concatenate

LOG2_E = math.log2(math.e)


class SavedAffine(NamedTuple):
    """Tensors for the vjp.

    Attributes:
        scaled: b, or for the inverse the image.
        gate: ``sigmoid(raw)`` of the raw log-scales.
        factor: ``exp(s)``, or for the inverse ``exp(-s)``.
    """

    scaled: Tensor
    gate: Tensor
    factor: Tensor


@dataclass(frozen=True)
class FastAffine(FastTransform):
    """``b exp(s) + t`` or its inverse ``(b - t) exp(-s)``, with ``s = bound tanh(raw / 2)``.

    The parameters are the raw log-scales, then the shifts t.

    Args:
        bound: Largest absolute log-scale.
    """

    bound: float
    parameters_per_entry = 2

    def apply(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """See the base class."""
        return _Affine.apply(b, parameters, self, inverse)

    def forward(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> TransformResult:
        """See the base class."""
        shift = parameters.chunk(2, 1)[1]
        gate, log2_scale, factor = self.scales(parameters, inverse)
        image = (b - shift) * factor if inverse else torch.addcmul(shift, b, factor)
        log_det = log2_scale.flatten(1).sum(1) / LOG2_E
        return TransformResult(image, log_det, SavedAffine(image if inverse else b, gate, factor))

    def vjp(
        self, grad: Tensor, log_det_grad: Tensor, saved: SavedAffine, *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        """See the base class."""
        # the log-scale applied, s or -s, is slope (gate - 1/2), and dgate/draw = gate (1 - gate)
        slope = (-2 if inverse else 2) * self.bound
        of_log_scale = (log_det_grad * slope).view(-1, *[1] * (grad.dim() - 1))
        grad_b = grad * saved.factor
        # d image / d(log-scale applied) is b exp(s), or for the inverse the image
        upstream = grad if inverse else grad_b
        of_gate = torch.addcmul(of_log_scale, upstream, saved.scaled, value=slope)
        grad_raw = torch.ops.aten.sigmoid_backward(of_gate, saved.gate)
        grad_shift = -grad_b if inverse else grad
        return grad_b, concatenate((grad_raw, grad_shift))

    def scales(self, parameters: Tensor, inverse: bool) -> tuple[Tensor, Tensor, Tensor]:
        """``sigmoid(raw)``, the log-scale applied in units of ln 2, and its exponential."""
        gate = torch.sigmoid(parameters.chunk(2, 1)[0])
        # tanh(raw / 2) = 2 sigmoid(raw) - 1, and sigmoid and exp2 are much faster on a CPU
        limit = self.bound * LOG2_E * (-1 if inverse else 1)
        log2_scale = gate.mul(2 * limit).sub_(limit)
        return gate, log2_scale, torch.exp2(log2_scale)


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, b: Tensor, parameters: Tensor, how: FastAffine, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        image, log_det, _ = how.forward(b, parameters, inverse=inverse)
        ctx.save_for_backward(b, parameters)  # cheaper to compute the rest again than to read it
        ctx.how, ctx.inverse = how, inverse
        ctx.set_materialize_grads(False)
        return image, log_det

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, log_det_grad: Tensor | None) -> tuple[Any, ...]:
        b, parameters = ctx.saved_tensors
        grad = torch.zeros_like(b) if grad is None else grad
        log_det_grad = b.new_zeros(len(b)) if log_det_grad is None else log_det_grad
        gate, _, factor = ctx.how.scales(parameters, ctx.inverse)
        scaled = (b - parameters.chunk(2, 1)[1]) * factor if ctx.inverse else b
        saved = SavedAffine(scaled, gate, factor)
        return *ctx.how.vjp(grad, log_det_grad, saved, inverse=ctx.inverse), None, None
