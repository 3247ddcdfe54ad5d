"""What a layer must offer so that it can be computed on a few of its cells alone."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from rgflow.hierarchy import Reach


class CellLayer(Protocol):
    """A layer that maps every cell of a grid on a lattice ``L x L`` without a look at the others.

    Attributes:
        cell: Side k of a cell, in sites, which divides L.
        offset: Shift of the grid of cells along both axes, as in `Reach`.
    """

    cell: int
    offset: int

    @property
    def reaches(self) -> tuple[Reach, ...] | None:
        """The reaches of the layer, in forward order."""
        ...

    def map_cells(self, cells: Tensor, sites: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """The images of some cells and the log_det of each.

        Args:
            cells: ``(C, k k, n, B)``, n cells of B samples, the sites of a cell row by row.
            sites: ``(k k, n)`` int64, where these sites are on the lattice, ``row * L + column``.
            inverse: Whether the inverse is applied.

        Returns:
            Images like ``cells``, and log_dets ``(n, B)``.
        """
        ...


def lattice_cells(layer: CellLayer, side: int, device: torch.device) -> Tensor:
    """The sites of all cells of a layer on a lattice of that side, ``(k k, cells)``."""
    k = layer.cell
    index = (torch.arange(side, device=device) - layer.offset) % side
    rows, columns = index.view(-1, k, 1, 1), index.view(1, 1, -1, k)
    sites = rows * side + columns  # (n, k, n, k)
    return sites.permute(1, 3, 0, 2).reshape(k * k, -1)
