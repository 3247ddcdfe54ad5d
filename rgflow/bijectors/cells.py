"""Invertible matrices on the cells of two by two sites, which tile blocks of both grids."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.bijectors.affine import ChannelMixing
from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cell_layer import CellLayer
from rgflow.bijectors.polyphase import PHASES
from rgflow.hierarchy import Reach, full_pattern
from rgflow.runtime.counts import takes_counts

ROW_MAJOR = ((0, 0), (0, 1), (1, 0), (1, 1))
"""The sites of a cell as they stand in memory."""


class StackMixing(ChannelMixing):
    """Mixes the four sub-lattices and the channels, ``(4 C, L/2, L/2)``, inside each cell.

    Args:
        channels: C.
        side: Side L/2 of a sub-lattice.
        haar: Whether it starts from the Haar transform, whose first output is the mean of a cell,
            or from the identity.
        phases: Order of the sub-lattices in the stack, of which the even sites are the first.
    """

    @takes_counts
    def __init__(
        self,
        channels: int,
        side: int,
        haar: bool,
        phases: Sequence[tuple[int, int]] = PHASES,
    ) -> None:
        # the mean, so that the field keeps its magnitude from level to level, and three
        # orthonormal differences
        signs = [[0.5, 0.5, 0.5, 0.5], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]]
        cell = torch.tensor(signs, dtype=torch.float64) / 2 if haar else torch.eye(4).double()
        order = [PHASES.index(phase) for phase in phases]
        cell = cell[order][:, order]
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
        self.matrix = StackMixing(channels, side // 2, haar, ROW_MAJOR)

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """All sites of a cell."""
        return self.matrix.reaches

    cell, offset = 2, 0

    @property
    def cell_layers(self) -> tuple[CellLayer, ...]:
        """This layer, with cells of two by two sites."""
        return (self,)

    def map_cells(self, cells: Tensor, sites: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """Some cells, see `CellLayer`."""
        stack = cells.transpose(0, 1).reshape(4 * len(cells), -1)  # (4 C, n * B)
        with torch.autocast(cells.device.type, enabled=False):
            mixing = self.matrix
            matrix = mixing.inverse_matrix(stack) if inverse else mixing.matrix(stack)
            image = (matrix @ stack).view(4, *cells.shape[::2], cells.shape[3])
        log_det = mixing.log_diagonal.sum().expand(cells.shape[2:])
        return image.transpose(0, 1), -log_det if inverse else log_det

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        stack, log_det = self.matrix(self._stacked(x))
        return self._unstacked(stack), log_det

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        stack, log_det = self.matrix.inverse(self._stacked(z))
        return self._unstacked(stack), log_det

    def _stacked(self, x: Tensor) -> Tensor:
        """``(B, C, L, L)`` to ``(B, 4 C, L/2, L/2)``, with the batch innermost in memory."""
        channels, side, _ = self.event_shape
        cells = x.permute(1, 2, 3, 0).reshape(channels, side // 2, 2, side // 2, 2, len(x))
        stack = cells.permute(2, 4, 0, 1, 3, 5)  # (2, 2, C, L/2, L/2, B)
        return stack.reshape(*self.matrix.event_shape, len(x)).permute(3, 0, 1, 2)

    def _unstacked(self, stack: Tensor) -> Tensor:
        channels, side, _ = self.event_shape
        cells = stack.permute(1, 2, 3, 0).view(2, 2, channels, side // 2, side // 2, len(stack))
        x = cells.permute(2, 3, 0, 4, 1, 5)  # (C, L/2, 2, L/2, 2, B)
        return x.reshape(channels, side, side, len(stack)).permute(3, 0, 1, 2)
