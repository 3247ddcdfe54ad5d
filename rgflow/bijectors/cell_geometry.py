"""Lists of cells and of their sites: the geometry of one layer without its whole lattice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rgflow.bijectors.cell_layer import CellLayer
from rgflow.bijectors.whole_lattice import WholeLattice
from rgflow.hierarchy import Reach


def cells_of(layer: CellLayer, side: int, sites: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cell of each site, and which of its sites it is."""
    k = layer.cell
    rows, columns = ((part + layer.offset) % side for part in np.divmod(sites, side))
    return rows // k * (side // k) + columns // k, rows % k * k + columns % k


def sites_of(layer: CellLayer, side: int, cells: np.ndarray) -> np.ndarray:
    """The sites of cells, ``(k k, n)``."""
    k = layer.cell
    rows, columns = (part * k - layer.offset for part in np.divmod(cells, side // k))
    inner = np.arange(k)[:, None]
    rows, columns = (rows + inner) % side, (columns + inner) % side  # (k, n)
    return (rows[:, None] * side + columns[None]).reshape(k * k, -1)


def spread(
    layer: CellLayer, side: int, sites: np.ndarray, changed: np.ndarray, *, inverse: bool
) -> np.ndarray:
    """The sites of some cells that depend on the changed ones, both ``(k k, n)``."""
    reaches: Sequence[Reach] = layer.reaches or ()
    for reach in reversed(reaches) if inverse else reaches:
        if isinstance(layer, WholeLattice):
            lattice = torch.from_numpy(changed.reshape(side, side))
            changed = reach.spread(lattice).numpy().reshape(-1, 1)
        else:
            reads, writes = (np.array(p).reshape(-1, 1) for p in (reach.reads, reach.writes))
            changed = changed | ((changed & reads).any(0) & writes)
    return changed


def blocks_of(layer: CellLayer, side: int, cells: int) -> int:
    """Blocks that a layer costs on that many cells; maps of single sites cost none."""
    if isinstance(layer, WholeLattice):
        return sum((side // reach.cell) ** 2 for reach in layer.reaches or () if reach.cell > 1)
    return cells if layer.cell > 1 else 0
