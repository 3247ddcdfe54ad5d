"""Rational-quadratic splines and the coupling made of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.coupling import Coupling
from rgflow.ops import rational_quadratic as splines


class SplineCoupling(Coupling):
    """Coupling by rational-quadratic splines on ``[-bound, bound]``, the identity outside.

    Args:
        split: Channels ``(A, B)`` of the two halves.
        conditioner: Gives ``(3 * bins - 1) * channels changed``.
        lattice: Trailing axes of both halves.
        reads: Index of the half that is read.
        bins: Number of bins.
        bound: Half the interval's length.

    Reference: Neural spline flows, arXiv:1906.04032.

    >>> from rgflow.conditioners.mlp import MLP
    >>> coupling = SplineCoupling((2, 3), MLP(2, 3 * 23), bins=8)
    >>> coupling((torch.ones(1, 2), torch.ones(1, 3)))[1].shape
    torch.Size([1])
    """

    def __init__(
        self,
        split: tuple[int, int],
        conditioner: nn.Module,
        lattice: tuple[int, ...] = (),
        reads: int = 0,
        bins: int = 8,
        bound: float = 4.0,
    ) -> None:
        super().__init__(split, conditioner, lattice, reads)
        if bins < 2 or not 0 < bound < math.inf:
            raise ValueError(f"a spline needs bins >= 2 and bound > 0, got {bins} and {bound}")
        self.bins, self.bound = bins, bound
        self.parameters_per_entry = 3 * bins - 1

    def _raw(self, parameters: Tensor) -> Tensor:
        """``(N, (3 K - 1) D, *lattice)`` to ``(3 K - 1, D, *lattice, N)``."""
        return parameters.movedim(0, -1).unflatten(0, (self.parameters_per_entry, -1))

    def _transform(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        image, log_slope = splines.spline(
            b.movedim(0, -1), self._raw(parameters), self.bins, self.bound, inverse=inverse
        )
        return image.movedim(-1, 0), log_slope.flatten(0, -2).sum(0)

    def evaluate(
        self, b: Tensor, parameters: Tensor, *, inverse: bool
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See the base class."""
        image, log_slope, kept = splines.evaluate(
            b.movedim(0, -1), self._raw(parameters), self.bins, self.bound, inverse=inverse
        )
        return image.movedim(-1, 0), log_slope.flatten(0, -2).sum(0), kept

    def pull_back(
        self, grad: Tensor, log_det_grad: Tensor, kept: list[Tensor], *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        """See the base class."""
        grad_b, grad_raw = splines.pull_back(
            grad.movedim(0, -1), log_det_grad, kept, self.bins, self.bound, inverse=inverse
        )
        return grad_b.movedim(-1, 0), grad_raw.flatten(0, 1).movedim(-1, 0)


class ElementwiseSpline(Bijector):
    """One learnable monotone spline per channel, the same on all sites.

    Args:
        event_shape: ``(C, *lattice)``.
        bins: Number of bins.
        bound: Half the interval's length; the identity outside.

    >>> ElementwiseSpline((3, 4, 4))(torch.zeros(2, 3, 4, 4))[0].shape
    torch.Size([2, 3, 4, 4])
    """

    def __init__(self, event_shape: tuple[int, ...], bins: int = 16, bound: float = 4.0) -> None:
        super().__init__(event_shape)
        self.bins, self.bound = bins, bound
        self.parameters_by_channel = nn.Parameter(torch.zeros(3 * bins - 1, event_shape[0]))

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(x, inverse=False)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(z, inverse=True)

    @property
    def reaches(self) -> tuple[()]:
        """Empty: every entry on its own."""
        return ()

    def _run(self, x: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        flat = x.transpose(0, 1).flatten(1)  # (C, B * sites)
        raw = self.parameters_by_channel[..., None].expand(-1, -1, flat.shape[1])
        image, log_slope = splines.spline(flat, raw, self.bins, self.bound, inverse=inverse)
        image = image.unflatten(1, (x.shape[0], *x.shape[2:])).transpose(0, 1)
        return image, log_slope.view(len(flat), len(x), x.shape[2:].numel()).sum((0, 2))
