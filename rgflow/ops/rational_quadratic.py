"""Monotone rational-quadratic splines with a hand-written gradient.

Autograd runs some hundred and fifty small operations for one spline and saves as many tensors; the
hand-written gradient needs a third of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rgflow.ops import rational_quadratic_numba, rational_quadratic_torch
from rgflow.ops.choice import are_batched, machine_code, wants_graph
from rgflow.ops.contract import FastTransform, TransformResult
from rgflow.ops.rational_quadratic_torch import SavedSpline
from rgflow.ops.saved import flatten, rebuilt
from rgflow.ops.tensors import gradients_of


class SavedArguments(NamedTuple):
    """The arguments alone, from which machine code computes all else again."""

    x: Tensor
    raw: Tensor


class SplineResult(NamedTuple):
    """The image, the logarithm of the slope, and the tensors that the vjp needs."""

    image: Tensor
    log_slope: Tensor
    saved: SavedArguments | SavedSpline


@dataclass(frozen=True)
class FastSpline(FastTransform):
    """The spline of `rgflow.bijectors.transforms.RationalQuadratic`, or its inverse.

    The parameters of an entry are K logits of the widths, K logits of the heights, and the slopes
    at the K - 1 inner knots before a softplus; parameters of zero give the identity.

    Args:
        bins: K, at least 2.
        bound: Half the length of the interval, outside of which the map is the identity.
    """

    bins: int
    bound: float

    @property
    def parameters_per_entry(self) -> int:
        """``3 K - 1``."""
        return 3 * self.bins - 1

    def apply(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """See the base class."""
        image, log_slope = self.elementwise(
            b.movedim(0, -1), self._by_parameter(parameters), inverse=inverse
        )
        return image.movedim(-1, 0), log_slope.flatten(0, -2).sum(0)

    def forward(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> TransformResult:
        """See the base class."""
        raw = self._by_parameter(parameters)
        image, log_slope, saved = self.spline(b.movedim(0, -1), raw, inverse=inverse)
        return TransformResult(image.movedim(-1, 0), log_slope.flatten(0, -2).sum(0), saved)

    def vjp(
        self,
        grad: Tensor,
        log_det_grad: Tensor,
        saved: SavedArguments | SavedSpline,
        *,
        inverse: bool,
    ) -> tuple[Tensor, Tensor]:
        """See the base class."""
        grad_b, grad_raw = self.spline_vjp(
            grad.movedim(0, -1), log_det_grad, saved, inverse=inverse
        )
        return grad_b.movedim(-1, 0), grad_raw.flatten(0, 1).movedim(-1, 0)

    def elementwise(self, x: Tensor, raw: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """The spline of elements ``(...)`` with parameters ``(3 K - 1, ...)``.

        Returns:
            The image and the logarithm of the slope of the function just applied, both of the
            shape of x; they are one function of autograd.
        """
        return _Spline.apply(x, raw, self, inverse)

    def spline(self, x: Tensor, raw: Tensor, *, inverse: bool) -> SplineResult:
        """The same, and saved tensors; in machine code where autograd records nothing."""
        if machine_code(x, raw) and not wants_graph(x, raw):
            x, raw = x.contiguous(), raw.contiguous()
            found = rational_quadratic_numba.spline(x, raw, self.bins, self.bound, inverse)
            return SplineResult(*found, SavedArguments(x, raw))
        return SplineResult(
            *rational_quadratic_torch.spline(x, raw, self.bins, self.bound, inverse)
        )

    def spline_vjp(
        self,
        grad: Tensor,
        log_slope_grad: Tensor,
        saved: SavedArguments | SavedSpline,
        *,
        inverse: bool,
    ) -> tuple[Tensor, Tensor]:
        """Gradients in x and in the raw parameters.

        Args:
            grad: Gradient in the image.
            log_slope_grad: Gradient in the log-slope, of a shape that broadcasts.
            saved: Tensors that the forward pass saved.
            inverse: Whether the forward pass computed the inverse function.
        """
        if isinstance(saved, SavedArguments):
            if not are_batched((grad, log_slope_grad)):
                return rational_quadratic_numba.spline_vjp(
                    grad, log_slope_grad, *saved, self.bins, self.bound, inverse
                )
            saved = rational_quadratic_torch.spline(*saved, self.bins, self.bound, inverse)[2]
        return rational_quadratic_torch.spline_vjp(
            grad, log_slope_grad, saved, self.bins, self.bound, inverse
        )

    def _by_parameter(self, parameters: Tensor) -> Tensor:
        """``(N, (3 K - 1) D, *lattice)`` to ``(3 K - 1, D, *lattice, N)``."""
        return parameters.movedim(0, -1).unflatten(0, (self.parameters_per_entry, -1))


class _Spline(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, raw: Tensor, how: FastSpline, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        image, log_slope, saved = how.spline(x, raw, inverse=inverse)
        tensors = [x, raw]
        ctx.skeleton = flatten(saved, tensors)
        ctx.save_for_backward(*tensors)
        ctx.how, ctx.inverse = how, inverse
        return image, log_slope

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, raw, *tensors = ctx.saved_tensors
        how, inverse = ctx.how, ctx.inverse
        if torch.is_grad_enabled():
            *outputs, _ = rational_quadratic_torch.spline(x, raw, how.bins, how.bound, inverse)
            found = gradients_of(outputs, (x, raw), ctx.needs_input_grad, grads)
        else:
            saved = rebuilt(ctx.skeleton, tensors)
            found = how.spline_vjp(*grads, saved, inverse=inverse)
        return *found, None, None
