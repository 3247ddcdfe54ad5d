"""Invertible matrices on the cells of two by two sites, which tile blocks of both grids."""

from __future__ import annotations

import torch
from torch import Tensor

from rgflow.bijectors.affine import ChannelMixing
from rgflow.bijectors.base import Bijector
from rgflow.bijectors.polyphase import stack_phases, unstack_phases
from rgflow.hierarchy import Reach, full_pattern
from rgflow.runtime.counts import takes_counts


class StackMixing(ChannelMixing):
    """Mixes the four sub-lattices and the channels, ``(4 C, L/2, L/2)``, inside each cell.

    Args:
        channels: C.
        side: Side L/2 of a sub-lattice.
        haar: Whether it starts from the Haar transform, whose first output is the mean of a cell,
            or from the identity.
    """

    @takes_counts
    def __init__(self, channels: int, side: int, haar: bool) -> None:
        # the mean, so that the field keeps its magnitude from level to level, and three
        # orthonormal differences
        signs = [[0.5, 0.5, 0.5, 0.5], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]]
        cell = torch.tensor(signs, dtype=torch.float64) / 2 if haar else torch.eye(4).double()
        initial = torch.kron(cell, torch.eye(channels, dtype=torch.float64))
        super().__init__((4 * channels, side, side), initial)

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """One reach: every site of a 2 x 2 cell depends on all sites of the cell."""
        return (Reach(2, full_pattern(2), full_pattern(2)),)


class CellMixing(Bijector):
    """The same matrix on all cells of two by two sites of a lattice, with all their channels.

    The even sites, which go up to the next level, start as the means of their cells, if the matrix
    starts from the Haar transform.

    Args:
        channels: C.
        side: Even lattice side L.
        haar: Whether the matrix starts from the Haar transform, or from the identity.

    Reference: Glow, arXiv:1807.03039; wavelet flow, arXiv:2010.13821.

    >>> z, log_det = CellMixing(1, 4, haar=True)(torch.ones(1, 1, 4, 4))
    >>> z[0, 0].tolist()
    [[1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """

    @takes_counts
    def __init__(self, channels: int, side: int, haar: bool) -> None:
        super().__init__((channels, side, side))
        if side % 2:
            raise ValueError(f"side: got {side}, expected an even number, as cells have two sites")
        self.matrix = StackMixing(channels, side // 2, haar)

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """All sites of a cell."""
        return self.matrix.reaches

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        stack, log_det = self.matrix(stack_phases(x, batch_innermost=True))
        return unstack_phases(stack), log_det

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        stack, log_det = self.matrix.inverse(stack_phases(z, batch_innermost=True))
        return unstack_phases(stack), log_det
