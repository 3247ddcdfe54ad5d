"""Couplings: one half is read, the other is changed elementwise; each half is a tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.chain import Chain
from rgflow.bijectors.memory import Memory
from rgflow.bijectors.transforms import Affine, RationalQuadratic, Transform
from rgflow.ops import Halves, apply_couplings, apply_transform, has_faster_way
from rgflow.ops.contract import HasFasterWay
from rgflow.runtime.counts import takes_counts


class Coupling(HasFasterWay, Bijector):
    """``(a, b) -> (a, f(b; theta(a)))`` with an elementwise, invertible f.

    The log_det is the sum of ``ln |f'|`` over all entries of b. Where transform and conditioner
    have a faster way, hooks on them are not called.

    Args:
        split: Channels ``(A, D)`` of the first and the second half, ``(N, A, *lattice)`` and
            ``(N, D, *lattice)``, where N is the batch (blocks times samples in a `BlockLayer`).
        transform: f, which has P parameters for each entry.
        conditioner: theta, a net that maps ``(N, channels read, *lattice)`` to
            ``(N, P * channels changed, *lattice)``: the first parameter of all channels, then the
            second of all channels, and so on.
        lattice: Trailing axes of both halves, ``()`` for features.
        reads: Index of the half a that is read, 0 or 1; the other one, b, is changed.

    Raises:
        ValueError: If ``reads`` is neither 0 nor 1; on a call, if the conditioner's output has
            another shape.

    Reference: arXiv:1410.8516.

    >>> import torch
    >>> from rgflow.conditioners import MLP
    >>> coupling = Coupling((2, 3), Affine(scale_bound=1.0), MLP(2, 6))
    >>> (a, b), log_det = coupling((torch.ones(1, 2), torch.ones(1, 3)))
    >>> a.shape, b.shape, log_det.shape
    (torch.Size([1, 2]), torch.Size([1, 3]), torch.Size([1]))
    """

    fast = True  # it has a faster way where its transform and its conditioner have one

    @takes_counts
    def __init__(
        self,
        split: tuple[int, int],
        transform: Transform,
        conditioner: nn.Module,
        lattice: tuple[int, ...] = (),
        reads: int = 0,
    ) -> None:
        super().__init__(((split[0], *lattice), (split[1], *lattice)))
        if reads not in (0, 1):
            raise ValueError(f"reads: got {reads}, expected 0 or 1, the half that is read")
        self.transform = transform
        self.conditioner = conditioner
        self.read_half = reads

    def apply_with(
        self, halves: Halves, net: Callable[[Tensor], Tensor], *, inverse: bool
    ) -> tuple[Halves, Tensor]:
        """Applies the coupling or its inverse with the function ``net`` as its conditioner."""
        read, changed = halves[self.read_half], halves[1 - self.read_half]
        parameters = net(read).to(changed.dtype)  # bfloat16 under autocast
        expected = self.transform.parameters_per_entry * changed.shape[1], *changed.shape[2:]
        if parameters.shape[1:] != expected:
            raise ValueError(
                f"the conditioner gave {tuple(parameters.shape[1:])}, "
                f"expected {expected} after the batch axis"
            )
        image, log_det = apply_transform(self.transform, changed, parameters, inverse=inverse)
        return ((image, read) if self.read_half else (read, image)), log_det

    def _forward(self, x: Halves) -> tuple[Halves, Tensor]:
        return apply_couplings([self], x, inverse=False)

    def _inverse(self, z: Halves) -> tuple[Halves, Tensor]:
        return apply_couplings([self], z, inverse=True)


class AffineCoupling(Coupling):
    """The coupling of Real NVP, ``b -> b exp(s(a)) + t(a)``, see `Affine`.

    Args:
        split: Channels ``(A, D)`` of the two halves.
        conditioner: A net with ``2 * channels changed`` outputs: raw log-scales, then shifts.
        lattice: Trailing axes of both halves.
        reads: Index of the half that is read.
        scale_bound: Largest absolute log-scale, in nats.

    Reference: arXiv:1605.08803.
    """

    @takes_counts
    def __init__(
        self,
        split: tuple[int, int],
        conditioner: nn.Module,
        lattice: tuple[int, ...] = (),
        reads: int = 0,
        scale_bound: float = 2.0,
    ) -> None:
        super().__init__(split, Affine(scale_bound), conditioner, lattice, reads)


class SplineCoupling(Coupling):
    """The coupling of neural spline flows, see `RationalQuadratic`.

    Args:
        split: Channels ``(A, D)`` of the two halves.
        conditioner: A net with ``(3 * bins - 1) * channels changed`` outputs.
        lattice: Trailing axes of both halves.
        reads: Index of the half that is read.
        bins: Number of bins.
        bound: Half the length of the interval, outside of which f is the identity.

    Reference: arXiv:1906.04032.

    >>> import torch
    >>> from rgflow.conditioners import MLP
    >>> coupling = SplineCoupling((2, 3), MLP(2, 3 * 23), bins=8)
    >>> coupling((torch.ones(1, 2), torch.ones(1, 3)))[1].shape
    torch.Size([1])
    """

    @takes_counts
    def __init__(
        self,
        split: tuple[int, int],
        conditioner: nn.Module,
        lattice: tuple[int, ...] = (),
        reads: int = 0,
        bins: int = 8,
        bound: float = 4.0,
    ) -> None:
        super().__init__(split, RationalQuadratic(bins, bound), conditioner, lattice, reads)


class CouplingChain(Chain):
    """Couplings one after another, on halves ``(N, A)`` and ``(N, D)``.

    It is the same map as a `Chain` of them. With ``memory="store"``, and where all of them have a
    faster way, the whole chain is one function of autograd.

    Args:
        couplings: In forward order, all with the same split.
        memory: See ``Chain``.
    """

    def __init__(self, couplings: Sequence[Coupling], memory: Memory = "store") -> None:
        super().__init__(couplings, memory)
        self.batch_innermost = memory == "store" and has_faster_way(couplings)

    def _forward(self, x: Halves) -> tuple[Halves, Tensor]:
        if self.memory != "store":
            return super()._forward(x)
        return apply_couplings(list(self.bijectors), x, inverse=False)

    def _inverse(self, z: Halves) -> tuple[Halves, Tensor]:
        if self.memory != "store":
            return super()._inverse(z)
        return apply_couplings(list(self.bijectors)[::-1], z, inverse=True)
