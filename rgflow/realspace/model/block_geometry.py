"""Blocks that cover the lattice: the spins they share, and the law of one block."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from rgflow.realspace.model.rbm import log_normalize, spin_states

Site = tuple[int, ...]


@dataclass(frozen=True)
class Block:
    r"""A block of spins whose translated copies cover a hypercubic lattice.

    The copies stand at all integer combinations of the lattice vectors. A bond that lies in
    several blocks is divided equally among them, so that the product of the laws of all blocks is
    the Boltzmann law. A spin that several blocks share is visible; a spin of one block only is an
    inner spin, which the law of the block sums out.

    Attributes:
        sites: Positions of the spins of the block at the origin, in lattice spacings.
        vectors: Primitive vectors of the lattice of blocks, one for each dimension.

    Raises:
        ValueError: If the vectors are linearly dependent or do not match the coordinates of the
            sites, or if some bonds of the lattice lie in no block.

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
        """For each spin the positions of the blocks that contain it, and its index in them."""
        return tuple(
            tuple(
                (_difference(site, other), j)
                for j, other in enumerate(self.sites)
                if self._is_block_position(_difference(site, other))
            )
            for site in self.sites
        )

    @cached_property
    def bonds(self) -> tuple[tuple[int, int, float], ...]:
        """Nearest neighbours ``i < j`` in the block and the fraction of their bond it carries."""
        pairs = (
            (i, j)
            for i, a in enumerate(self.sites)
            for j, b in enumerate(self.sites)
            if i < j and sum(map(abs, _difference(a, b))) == 1
        )
        blocks = [{position for position, _ in owners} for owners in self.owners]
        return tuple((i, j, 1 / len(blocks[i] & blocks[j])) for i, j in pairs)

    @cached_property
    def visible(self) -> tuple[int, ...]:
        """Indices of the spins that the block shares with other blocks."""
        return tuple(i for i, owners in enumerate(self.owners) if len(owners) > 1)

    @property
    def rescaling(self) -> float:
        """Length rescaling factor b: spacing of the blocks over the spacing of the spins."""
        return self._volume ** (1 / len(self.vectors))

    def log_prob(self, J: float | Tensor) -> Tensor:
        r"""Logarithm of the law of the visible spins.

        ``P_loc(s) ~ sum_inner exp(J sum_bonds s_i s_j)``, where each bond counts with the fraction
        that the block carries.

        Args:
            J: Coupling times inverse temperature, a number or a tensor of shape ``()``.

        Returns:
            ``ln P_loc``, ``(2**visible,)`` in the order of `spin_states`; differentiable in J.

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
        """Number of lattice sites per block."""
        return round(abs(torch.tensor(self.vectors, dtype=torch.float64).det().item()))

    def _is_block_position(self, site: Site) -> bool:
        """Whether the site is an integer combination of the lattice vectors."""
        vectors = torch.tensor(self.vectors, dtype=torch.float64)
        steps = torch.linalg.solve(vectors.T, torch.tensor(site, dtype=torch.float64))
        return bool(((steps - steps.round()).abs() < 1e-9).all())


def _difference(a: Site, b: Site) -> Site:
    return tuple(x - y for x, y in zip(a, b, strict=True))


PLAQUETTE = Block(((0, 0), (0, 1), (1, 0), (1, 1)), ((1, 1), (1, -1)))
"""2x2 plaquettes that share corners: every spin lies in two of them, every bond in one."""

SQUARE = Block(tuple((i, j) for i in range(3) for j in range(3)), ((2, 0), (0, 2)))
"""3x3 blocks that share edges and corners; the spin in the middle is an inner spin."""

CHAIN = Block(((0,), (1,), (2,)), ((2,),))
"""Three spins of a chain that share their ends: renormalization is exact decimation."""
