"""Which blocks cover the lattice, which spins they share, and the law of one block."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from rgflow.realspace.model.rbm import log_normalize, spin_states

Site = tuple[int, ...]


@dataclass(frozen=True)
class Block:
    r"""One block and how its copies cover a hypercubic lattice.

    Copies stand at all integer combinations of some vectors. A bond that lies in several blocks
    counts in equal parts in each, so that the product of the blocks' laws is the Boltzmann law.
    Spins in one block only, its inner spins, are summed out in the block's law; those that are
    shared are its visible spins.

    Attributes:
        sites: Positions of the spins of the block at the origin.
        vectors: Of the lattice of blocks, as many as the lattice has dimensions.

    Raises:
        ValueError: If vectors are missing or dependent, or the blocks leave out bonds.

    >>> PLAQUETTE.rescaling**2, len(PLAQUETTE.visible), len(CHAIN.visible)
    (2.0000000000000004, 4, 2)
    """

    sites: tuple[Site, ...]
    vectors: tuple[Site, ...]

    def __post_init__(self) -> None:
        dimension = len(self.vectors)
        lengths = {len(point) for point in (*self.sites, *self.vectors)}
        if lengths != {dimension} or not self._volume:
            raise ValueError(
                f"got sites of {sorted(lengths)} coordinates and vectors {self.vectors}, expected "
                "as many independent vectors as coordinates"
            )
        covered = sum(share for *_, share in self.bonds)
        if not math.isclose(covered, dimension * self._volume):
            raise ValueError(
                f"got {covered:g} bonds per block, expected {dimension * self._volume} so that "
                "every bond of the lattice is in a block"
            )

    @cached_property
    def owners(self) -> tuple[tuple[tuple[Site, int], ...], ...]:
        """For each spin all blocks that hold it: where they stand, and its index in them."""
        return tuple(
            tuple(
                (_difference(site, other), j)
                for j, other in enumerate(self.sites)
                if self._is_block(_difference(site, other))
            )
            for site in self.sites
        )

    @cached_property
    def bonds(self) -> tuple[tuple[int, int, float], ...]:
        """Pairs of neighbours ``i < j`` of the block and the part of their bond it owns."""
        pairs = (
            (i, j)
            for i, a in enumerate(self.sites)
            for j, b in enumerate(self.sites)
            if i < j and sum(map(abs, _difference(a, b))) == 1
        )
        blocks = [{where for where, _ in owners} for owners in self.owners]
        return tuple((i, j, 1 / len(blocks[i] & blocks[j])) for i, j in pairs)

    @cached_property
    def visible(self) -> tuple[int, ...]:
        """Indices of the spins that other blocks share."""
        return tuple(i for i, owners in enumerate(self.owners) if len(owners) > 1)

    @property
    def rescaling(self) -> float:
        """Spacing of the lattice of blocks in units of the old one."""
        return self._volume ** (1 / len(self.vectors))

    def log_prob(self, J: float | Tensor) -> Tensor:
        r"""Law of the visible spins, ``P_loc(s) ~ sum_inner exp(J sum_bonds s_i s_j)``.

        Args:
            J: Coupling, which includes the inverse temperature; ``()`` if a tensor.

        Returns:
            ``(2**visible,)`` in the order of `spin_states`; differentiable in J.

        Raises:
            ValueError: If the coupling is not finite.
        """
        J = torch.as_tensor(J, dtype=torch.float64)
        if not J.isfinite():
            raise ValueError(f"got the coupling {J.item()}, expected a finite number")
        inner = [i for i in range(len(self.sites)) if i not in self.visible]
        order = (*self.visible, *inner)
        states = spin_states(len(order), J)[:, sorted(range(len(order)), key=order.__getitem__)]
        aligned = sum(share * states[:, i] * states[:, j] for i, j, share in self.bonds)
        weights = (J * aligned).view(2 ** len(self.visible), 2 ** len(inner))
        return log_normalize(weights.logsumexp(1))

    @property
    def _volume(self) -> int:
        """Sites of the lattice per block."""
        return round(abs(torch.tensor(self.vectors, dtype=torch.float64).det().item()))

    def _is_block(self, where: Site) -> bool:
        vectors = torch.tensor(self.vectors, dtype=torch.float64)
        steps = torch.linalg.solve(vectors.T, torch.tensor(where, dtype=torch.float64))
        return bool(((steps - steps.round()).abs() < 1e-9).all())


def _difference(a: Site, b: Site) -> Site:
    return tuple(x - y for x, y in zip(a, b, strict=True))


PLAQUETTE = Block(((0, 0), (0, 1), (1, 0), (1, 1)), ((1, 1), (1, -1)))
"""The lecture's 2x2 plaquettes that share corners; every spin is in two, every bond in one."""

SQUARE = Block(tuple((i, j) for i in range(3) for j in range(3)), ((2, 0), (0, 2)))
"""3x3 blocks that share edges and corners; the spin in the middle is an inner one."""

CHAIN = Block(((0,), (1,), (2,)), ((2,),))
"""Three spins of a chain that share their ends, where renormalization is exact decimation."""
