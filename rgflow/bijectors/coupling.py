"""Couplings: one half is read, the other is changed elementwise, both are compact tensors."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from rgflow.bijectors.base import Bijector
from rgflow.ops import coupling_chain as explicit
from rgflow.ops.contract import ExplicitNet
from rgflow.ops.fused import LOG2_E, affine, evaluate_affine, pull_back_affine

Halves = tuple[Tensor, Tensor]


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
    affine_bound: float | None = None

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

    @property
    def explicit(self) -> bool:
        """Whether map and conditioner have hand-written gradients, to be one function."""
        net = self.conditioner
        return isinstance(net, ExplicitNet) and net.outputs == self._outputs()

    def _outputs(self) -> int:
        """Numbers that the conditioner gives for each site."""
        return self.parameters_per_entry * self.event_shape[1 - self.read_half][0]

    def _forward(self, x: Halves) -> tuple[Halves, Tensor]:
        return self._run(x, inverse=False)

    def _inverse(self, z: Halves) -> tuple[Halves, Tensor]:
        return self._run(z, inverse=True)

    def _run(self, halves: Halves, *, inverse: bool) -> tuple[Halves, Tensor]:
        if self.explicit and explicit.works_here():
            return explicit.run([self], halves, inverse=inverse)
        return self.run_plainly(halves, self.conditioner, inverse=inverse)

    def run_plainly(
        self, halves: Halves, conditioner: Callable[[Tensor], Tensor], *, inverse: bool
    ) -> tuple[Halves, Tensor]:
        """The coupling or its inverse with the conditioner as a function that is called."""
        read, changed = halves[self.read_half], halves[1 - self.read_half]
        parameters = conditioner(read).to(changed.dtype)  # bf16 under autocast
        if parameters.shape[1] != self._outputs() or parameters.shape[2:] != changed.shape[2:]:
            raise ValueError(
                f"the conditioner gave {tuple(parameters.shape[1:])}, "
                f"expected {(self._outputs(), *changed.shape[2:])} after the batch axis"
            )
        changed, log_det = self._transform(changed, parameters, inverse=inverse)
        return ((changed, read) if self.read_half else (read, changed)), log_det

    @abstractmethod
    def _transform(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """``f(b)`` or ``f^-1(b)`` and its log_det ``(N,)``."""

    @abstractmethod
    def evaluate(
        self, b: Tensor, parameters: Tensor, *, inverse: bool
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """As ``_transform``, with what ``pull_back`` needs."""

    @abstractmethod
    def pull_back(
        self, grad: Tensor, log_det_grad: Tensor, kept: list[Tensor], *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        """Gradients in b and in the parameters, from those of the image and of the log_det."""


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
    >>> from rgflow.conditioners.mlp import MLP
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
        if type(self) is AffineCoupling:  # what a subclass says counts
            self.affine_bound = scale_bound

    def _transform(self, b: Tensor, parameters: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        return affine(b, parameters, self.scale_bound, inverse=inverse)

    def evaluate(
        self, b: Tensor, parameters: Tensor, *, inverse: bool
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See the base class."""
        image, log2_scale, gate, factor = evaluate_affine(b, parameters, self.scale_bound, inverse)
        log_det = log2_scale.flatten(1).sum(1) / LOG2_E
        return image, log_det, [image if inverse else b, gate, factor]

    def pull_back(
        self, grad: Tensor, log_det_grad: Tensor, kept: list[Tensor], *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        """See the base class."""
        slope = (-2 if inverse else 2) * self.scale_bound
        weight = (log_det_grad * slope).view(-1, *[1] * (grad.dim() - 1))
        return pull_back_affine(grad, weight, slope, *kept, inverse)
