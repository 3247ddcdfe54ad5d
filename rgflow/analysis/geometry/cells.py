"""Latents as points of the bulk: cells of 2 x 2 sites, which have a place and a level."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.flow import Flow
from rgflow.hierarchy import Hierarchy
from rgflow.runtime.fields import check_field


class BulkCells(NamedTuple):
    """Points of the bulk: at level h the cells of ``2^(h+1)`` pixels aside, each with 3 sites.

    A level keeps one site of each cell for the next one and emits the other three, whose basis
    inside the cell is arbitrary: information is measured between cells. The sites that the last
    level need not have emitted, one in each of its cells, are left out, so that all cells are
    alike.

    Attributes:
        level: Level of each cell, ``(n,)``.
        row: Row of the cell among those of its level, ``(n,)``.
        column: Its column, ``(n,)``.
        sites: Positions of its three sites in the flattened latent layout, ``(n, 3)``.
        side: Side L of the lattice.
    """

    level: Tensor
    row: Tensor
    column: Tensor
    sites: Tensor
    side: int

    @property
    def centre(self) -> Tensor:
        """Places of the centres of the cells, in pixels, ``(n, 2)`` float64."""
        size = 2.0 ** (self.level.double() + 1)
        return (torch.stack((self.row, self.column), 1) + 0.5) * size[:, None] - 0.5

    def per_side(self, level: int) -> int:
        """Number of cells of a level along each axis."""
        return self.side >> (level + 1)

    def of(self, z: Tensor) -> Tensor:
        """Latents ``(N, C, L, L)`` by cell, ``(N, n, 3 C)``."""
        by_cell = z.flatten(2)[:, :, self.sites]  # (N, C, n, 3)
        return by_cell.permute(0, 2, 3, 1).flatten(2)


def bulk_cells(hierarchy: Hierarchy) -> BulkCells:
    """The cells of all levels whose lattice has an even side.

    Args:
        hierarchy: The hierarchy of a flow.

    Raises:
        ValueError: If no level has an even side.

    >>> from rgflow.models import ConvLevels, conv_flow
    >>> cells = bulk_cells(conv_flow(8, 1, ConvLevels(1, hidden=4)).hierarchy)
    >>> cells.level.bincount().tolist(), cells.centre[-1].tolist()
    ([16, 4], [5.5, 5.5])
    """
    side = hierarchy.side
    parts = []
    for level in range(hierarchy.levels):
        if (side >> level) % 2:
            continue
        count, stride = side >> (level + 1), 2**level
        row, column = (
            t.flatten() for t in torch.meshgrid([torch.arange(count)] * 2, indexing="ij")
        )
        corner = (row * side + column) * 2 * stride
        within = torch.tensor([1, side, side + 1]) * stride
        parts.append((torch.full_like(row, level), row, column, corner[:, None] + within))
    if not parts:
        raise ValueError(f"got {hierarchy}, expected a level with an even side")
    return BulkCells(*(torch.cat(one) for one in zip(*parts, strict=True)), side)


@torch.no_grad()
def translation_steps(flow: Flow, x: Tensor) -> list[int]:
    """Smallest shifts of the field, in pixels, that shift the latents of each level alike.

    It is found by shifting fields along both axes: a block level commutes with shifts by its
    blocks, and a map that knows its place with none but the whole side.

    Args:
        flow: A hierarchical flow.
        x: Some fields, ``(B, C, L, L)``, such as the flow acts on.

    Returns:
        One number for each level: ``2^(level + 1)`` times a power of two, or L.

    Raises:
        ValueError: If the flow has no levels.
    """
    check_field(x, "translation_steps")
    hierarchy = flow.known_hierarchy()
    side = hierarchy.side
    z = flow.encode(x)
    tolerance = 1e-3 * float(z.std()) if z.dtype != torch.float64 else 1e-7 * float(z.std())
    steps: list[int] = []
    for level in range(hierarchy.levels):
        mask = hierarchy.level_mask(level).to(z.device)
        step = max(2 ** (level + 1), *steps, 1)
        while step < side and not all(
            _commutes(flow, x, z, mask, step, axis, tolerance) for axis in (-2, -1)
        ):
            step *= 2
        steps.append(min(step, side))
    return steps


def _commutes(
    flow: Flow, x: Tensor, z: Tensor, mask: Tensor, step: int, axis: int, tolerance: float
) -> bool:
    difference = flow.encode(x.roll(step, axis)) - z.roll(step, axis)
    return float(difference[..., mask].abs().max()) < tolerance
