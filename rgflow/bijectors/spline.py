"""A learnable elementwise spline without conditioning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cell_layer import CellLayer
from rgflow.bijectors.transforms import RationalQuadratic
from rgflow.ops import apply_elementwise


class ElementwiseSpline(Bijector):
    """One learnable monotone spline for each channel, the same on all sites.

    Args:
        event_shape: ``(C, *lattice)``.
        bins: Number of bins.
        bound: Half the length of the interval, outside of which the map is the identity.

    Raises:
        ValueError: As `RationalQuadratic`.

    >>> ElementwiseSpline((3, 4, 4))(torch.zeros(2, 3, 4, 4))[0].shape
    torch.Size([2, 3, 4, 4])
    """

    def __init__(self, event_shape: tuple[int, ...], bins: int = 16, bound: float = 4.0) -> None:
        super().__init__(event_shape)
        self.transform = RationalQuadratic(bins, bound)
        count = self.transform.parameters_per_entry
        self.parameters_by_channel = nn.Parameter(torch.zeros(count, event_shape[0]))

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(x, inverse=False)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(z, inverse=True)

    @property
    def reaches(self) -> tuple[()]:
        """Empty, as every entry is mapped on its own."""
        return ()

    cell, offset = 1, 0

    @property
    def cell_layers(self) -> tuple[CellLayer, ...]:
        """This layer, whose cells are single sites."""
        return (self,)

    def map_cells(self, cells: Tensor, sites: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """Some sites, see `CellLayer`."""
        flat = cells.flatten(1)  # (C, n * B)
        raw = self.parameters_by_channel[..., None].expand(-1, -1, flat.shape[1])
        image, log_slope = apply_elementwise(self.transform, flat, raw, inverse=inverse)
        return image.view(cells.shape), log_slope.view(cells.shape).sum((0, 1))

    def _run(self, x: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        flat = x.transpose(0, 1).flatten(1)  # (C, B * sites)
        raw = self.parameters_by_channel[..., None].expand(-1, -1, flat.shape[1])
        image, log_slope = apply_elementwise(self.transform, flat, raw, inverse=inverse)
        image = image.unflatten(1, (x.shape[0], *x.shape[2:])).transpose(0, 1)
        return image, log_slope.view(len(flat), len(x), x.shape[2:].numel()).sum((0, 2))
