"""Couplings: one half is read, the other is changed elementwise, both are compact tensors."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from rgflow.bijectors.base import Bijector
from rgflow.fused import affine

Halves = tuple[Tensor, Tensor]
Transform = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Coupling(Bijector):
    """``(a, b) -> (a, f(b; theta(a)))`` with ``f`` monotone in every entry of b.

    Args:
        split: Channels ``(A, B)`` of the two halves.
        conditioner: Maps ``(N, channels read, *lattice)`` to ``(N, parameters * channels
            changed, *lattice)``.
        lattice: Trailing axes of both halves, ``()`` for features.
        reads: Index of the half that is read, 0 or 1; the other one is changed.

    Raises:
        ValueError: For another ``reads``; on a call, if the conditioner gives another shape.
    """

    parameters_per_entry: int

    def __init__(
        self,
        split: tuple[int, int],
        conditioner: nn.Module,
        lattice: tuple[int, ...] = (),
        reads: int = 0,
    ) -> None:
        super().__init__(((split[0], *lattice), (split[1], *lattice)))
        if reads not in (0, 1):
            raise ValueError(f"reads: got {reads}, expected 0 or 1, the half that is read")
        self.conditioner = conditioner
        self.read_half = reads

    def _forward(self, x: Halves) -> tuple[Halves, Tensor]:
        return self._run(x, self._transform)

    def _inverse(self, z: Halves) -> tuple[Halves, Tensor]:
        return self._run(z, self._untransform)

    def _run(self, halves: Halves, transform: Transform) -> tuple[Halves, Tensor]:
        read, changed = halves[self.read_half], halves[1 - self.read_half]
        parameters = self.conditioner(read).to(changed.dtype)  # bf16 under autocast
        wanted = self.parameters_per_entry * changed.shape[1]
        if parameters.shape[1] != wanted or parameters.shape[2:] != changed.shape[2:]:
            raise ValueError(
                f"the conditioner gave {tuple(parameters.shape[1:])}, "
                f"expected {(wanted, *changed.shape[2:])} after the batch axis"
            )
        changed, log_det = transform(changed, parameters)
        return ((changed, read) if self.read_half else (read, changed)), log_det

    @abstractmethod
    def _transform(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """``b -> f(b)`` and its log_det ``(N,)``."""

    @abstractmethod
    def _untransform(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """``b -> f^-1(b)`` and its log_det ``(N,)``."""


class AffineCoupling(Coupling):
    """Affine coupling between two halves: ``b -> b * exp(s(a)) + t(a)``.

    The log-scale is bounded by ``scale_bound * tanh(s / 2)`` so that neither direction
    overflows.

    Args:
        split: Channels ``(A, B)`` of the two halves.
        conditioner: Gives ``2 * channels changed``: log-scales, then shifts.
        lattice: Trailing axes of both halves.
        reads: Index of the half that is read.
        scale_bound: Largest absolute log-scale, in nats.

    Reference: Real NVP, arXiv:1605.08803.

    >>> import torch
    >>> from rgflow.conditioners import MLP
    >>> coupling = AffineCoupling((2, 3), MLP(2, 6))
    >>> (a, b), log_det = coupling((torch.ones(1, 2), torch.ones(1, 3)))
    >>> a.shape, b.shape, log_det.shape
    (torch.Size([1, 2]), torch.Size([1, 3]), torch.Size([1]))
    """

    def __init__(
        self,
        split: tuple[int, int],
        conditioner: nn.Module,
        lattice: tuple[int, ...] = (),
        reads: int = 0,
        scale_bound: float = 2.0,
    ) -> None:
        super().__init__(split, conditioner, lattice, reads)
        if not 0 < scale_bound < math.inf:
            raise ValueError(f"scale_bound must be positive, got {scale_bound}")
        self.parameters_per_entry = 2
        self.scale_bound = scale_bound

    def _transform(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return affine(b, parameters, self.scale_bound, inverse=False)

    def _untransform(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return affine(b, parameters, self.scale_bound, inverse=True)
