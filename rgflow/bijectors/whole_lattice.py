"""Bijectors that can only be computed as a whole, in a form that partial maps understand."""

from __future__ import annotations

from torch import Tensor

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cell_layer import CellLayer
from rgflow.hierarchy import Reach


class WholeLattice:
    """A local bijector as one cell as large as its lattice: it cannot be computed in parts.

    Args:
        bijector: Of event shape ``(C, L, L)``, with declared reaches.
    """

    offset = 0

    def __init__(self, bijector: Bijector) -> None:
        self.bijector = bijector
        self.cell: int = bijector.event_shape[-1]

    @property
    def reaches(self) -> tuple[Reach, ...] | None:
        """Those of the bijector."""
        return self.bijector.reaches

    def map_cells(self, cells: Tensor, sites: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """The whole lattice, see `CellLayer`."""
        x = cells.squeeze(2).movedim(-1, 0).unflatten(2, (self.cell, self.cell))  # (B, C, L, L)
        image, log_det = (self.bijector.inverse if inverse else self.bijector)(x)
        return image.flatten(2).movedim(0, -1).unsqueeze(2), log_det[None]


def cell_layers_of(bijector: Bijector) -> tuple[CellLayer, ...]:
    """The layers of a local bijector that are computed cell by cell; if there are none, itself."""
    layers = bijector.cell_layers
    return (WholeLattice(bijector),) if layers is None else layers
