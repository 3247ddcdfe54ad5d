"""The four stride-2 sub-lattices of a periodic lattice, and couplings between pairs of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.coupling import Coupling
from rgflow.hierarchy import Pattern, Reach
from rgflow.ops import concatenate
from rgflow.runtime.counts import takes_counts

# The order in which the sub-lattices are stacked, by (row, column) modulo 2. The kept one is
# first, and the halves of "checkerboard" and "emission" are contiguous slices.
PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))

# The two halves of each pairing, as indices into PHASES.
PAIRINGS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "checkerboard": ((0, 1), (2, 3)),
    "rows": ((0, 2), (3, 1)),
    "columns": ((0, 3), (2, 1)),
    "emission": ((0,), (1, 2, 3)),
}

CouplingFactory = Callable[[tuple[int, int], tuple[int, ...], int], Coupling]


def split_phases(x: Tensor) -> tuple[Tensor, ...]:
    """``(B, C, L, L)`` to four views ``(B, C, L/2, L/2)``, in the order of PHASES."""
    return tuple(x[..., i::2, j::2] for i, j in PHASES)


def merge_phases(phases: tuple[Tensor, ...]) -> Tensor:
    """The inverse of ``split_phases``; a batch that is innermost in memory stays so."""
    if phases[-1].stride(0) == 1:
        inner = [phase.permute(1, 2, 3, 0) for phase in phases]
        return _interleave(inner, 1).permute(3, 0, 1, 2)
    return _interleave(phases, 2)


def _interleave(phases: Sequence[Tensor], axis: int) -> Tensor:
    """Merges phases whose rows are along ``axis`` and whose columns are along ``axis + 1``."""
    p00, p11, p01, p10 = phases
    even, odd = (torch.stack(pair, axis + 2) for pair in ((p00, p01), (p10, p11)))
    return torch.stack((even, odd), axis + 1).flatten(axis + 2, axis + 3).flatten(axis, axis + 1)


def stack_phases(x: Tensor, batch_innermost: bool = False) -> Tensor:
    """``(B, C, L, L)`` to ``(B, 4 C, L/2, L/2)``, phase by phase.

    With ``batch_innermost``, consecutive numbers in memory belong to consecutive samples.
    """
    if batch_innermost:
        return torch.cat([phase.movedim(0, -1) for phase in split_phases(x)]).movedim(-1, 0)
    return torch.cat(split_phases(x), 1)


def unstack_phases(stack: Tensor) -> Tensor:
    """The inverse of ``stack_phases``."""
    return merge_phases(stack.chunk(4, 1))


def _pattern(phases: tuple[int, ...]) -> Pattern:
    chosen = {PHASES[p] for p in phases}
    return tuple(tuple((i, j) in chosen for j in range(2)) for i in range(2))


class PolyphaseCoupling(Bijector):
    """A coupling between two groups of sub-lattices, stacked as ``(4 C, L/2, L/2)``.

    Args:
        channels: C.
        side: L/2, the side of a sub-lattice.
        pairing: Key of PAIRINGS.
        reads: Index of the half of the pairing that is read.
        make_coupling: Makes the coupling from the channels of the halves, their lattice, and
            ``reads``.

    Raises:
        ValueError: If the pairing is unknown, or the conditioner does not declare its radius.
    """

    @takes_counts
    def __init__(
        self, channels: int, side: int, pairing: str, reads: int, make_coupling: CouplingFactory
    ) -> None:
        super().__init__((4 * channels, side, side))
        if pairing not in PAIRINGS:
            raise ValueError(f"pairing {pairing!r} is unknown, expected one of {sorted(PAIRINGS)}")
        self.halves = PAIRINGS[pairing]
        split = tuple(channels * len(half) for half in self.halves)
        self.coupling = make_coupling(split, (side, side), reads)
        if not isinstance(getattr(self.coupling.conditioner, "radius", None), int):
            raise ValueError("a conditioner on a lattice must say its radius, in sites")

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """One reach, in cells of 2 x 2 sites, with the radius of the conditioner."""
        reads = self.coupling.read_half
        return (
            Reach(
                2,
                _pattern(self.halves[reads]),
                _pattern(self.halves[1 - reads]),
                self.coupling.conditioner.radius,
            ),
        )

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        halves, log_det = self.coupling(self._split(x))
        return self._merge(halves), log_det

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        halves, log_det = self.coupling.inverse(self._split(z))
        return self._merge(halves), log_det

    def _contiguous_halves(self) -> bool:
        return self.halves[0] + self.halves[1] == (0, 1, 2, 3)

    def _split(self, stack: Tensor) -> tuple[Tensor, Tensor]:
        if self._contiguous_halves():
            first, second = stack.tensor_split([self.coupling.event_shape[0][0]], 1)
            return first, second
        phases = stack.chunk(4, 1)
        first, second = (concatenate([phases[p] for p in half]) for half in self.halves)
        return first, second

    def _merge(self, halves: tuple[Tensor, Tensor]) -> Tensor:
        if self._contiguous_halves():
            return concatenate(halves)
        phases = [p for h in range(2) for p in halves[h].chunk(len(self.halves[h]), 1)]
        order = self.halves[0] + self.halves[1]
        return concatenate([phases[order.index(p)] for p in range(4)])
