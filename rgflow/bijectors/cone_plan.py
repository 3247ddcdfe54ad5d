"""Which cells of every layer have to be computed when a few inputs of a MERA change.

Only lists of sites are handled, never a whole lattice, so that the effort follows the cone. Inside
a level, a site of its lattice of side S is the number ``row * S + column``; a site of the image or
of the latent layout is ``row * L + column``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rgflow.bijectors.cell_geometry import blocks_of, cells_of, sites_of, spread
from rgflow.bijectors.cell_layer import CellLayer
from rgflow.hierarchy import Hierarchy

Levels = Sequence[Sequence[CellLayer]]


class Step(NamedTuple):
    """One layer on those of its cells that hold a changed site, n cells of k x k sites.

    Attributes:
        layer: The layer.
        level: Its level.
        position: Its position in the level, in forward order.
        cells: ``(n,)``, the numbers of the cells in the layer's grid.
        sites: ``(k k, n)``, the sites of the cells.
        known: ``(m,)``, those sites that have not changed and keep their known values.
        order: ``(k k n,)``, where each site of the cells is among the changed and the known ones.
        kept: Positions of the sites that have changed afterwards and are asked for; None for all.
    """

    layer: CellLayer
    level: int
    position: int
    cells: Tensor
    sites: Tensor
    known: Tensor
    order: Tensor
    kept: Tensor | None


class LevelPlan(NamedTuple):
    """The steps of one level, in the order of application.

    Attributes:
        reads: Sites of the image or latent layout whose changed values enter at this level.
        steps: The layers.
        up: Positions, among the changed sites after the last step, of those that enter the next
            coarser level; of a plan of encoding, otherwise empty.
        emitted: Positions of those that are latents of this level; likewise.
    """

    reads: Tensor
    steps: tuple[Step, ...]
    up: Tensor
    emitted: Tensor


@dataclass(frozen=True)
class ConePlan:
    """All that a partial map computes for one mask; it can be used again and again.

    Attributes:
        inverse: Whether it is a plan of decoding (latents change) or of encoding (pixels change).
        levels: In the order of application: coarse to fine for decoding, otherwise fine to coarse.
        sites: ``(n,)``, the changed sites of the image or latent layout in the order of results.
        everything: Whether all changed sites are asked for, and not some of them alone.
        blocks: Number of blocks and mixed cells that are computed, summed over layers. Where a
            layer is computed as a whole, all of its cells count.
        all_blocks: The same number for the full map.
    """

    inverse: bool
    levels: tuple[LevelPlan, ...]
    sites: Tensor
    everything: bool
    blocks: int
    all_blocks: int

    def mask(self, side: int) -> Tensor:
        """The changed sites as a mask ``(L, L)``."""
        mask = torch.zeros(side * side, dtype=torch.bool)
        mask[self.sites.cpu()] = True
        return mask.view(side, side)


def plan_encoding(
    levels: Levels, hierarchy: Hierarchy, pixel_mask: Tensor, device: torch.device
) -> ConePlan:
    """The plan of the latents that change with some pixels.

    Args:
        levels: Layers of each level, fine to coarse.
        hierarchy: The geometry of the same levels.
        pixel_mask: ``(L, L)`` bool.
        device: Where the values will be.
    """
    full = hierarchy.side
    dirty = _sites_of(pixel_mask, hierarchy)
    plans, sites, blocks = [], [], 0
    for h, layers in enumerate(levels):
        side, steps = full >> h, []
        reads = dirty if h == 0 else dirty[:0]
        for j, layer in enumerate(layers):
            if not len(dirty):
                break
            step, dirty, count = _step(layer, (h, j), side, dirty, None, inverse=False)
            steps.append(step)
            blocks += count
        rows, columns = np.divmod(dirty, side)
        even = (rows % 2 == 0) & (columns % 2 == 0) & (h + 1 < len(levels))
        emitted, up = np.flatnonzero(~even), np.flatnonzero(even)
        sites.append((rows[emitted] * full + columns[emitted]) << h)
        plans.append(LevelPlan(reads, tuple(steps), up, emitted))
        dirty = rows[up] // 2 * (side // 2) + columns[up] // 2
    return _finished(plans, np.concatenate(sites), levels, hierarchy, blocks, False, True, device)


def plan_decoding(
    levels: Levels,
    hierarchy: Hierarchy,
    latent_mask: Tensor,
    pixel_mask: Tensor | None,
    device: torch.device,
) -> ConePlan:
    """The plan of the pixels that change with some latents.

    Args:
        levels: Layers of each level, fine to coarse.
        hierarchy: The geometry of the same levels.
        latent_mask: ``(L, L)`` bool, the latents that change.
        pixel_mask: ``(L, L)`` bool, the pixels that are asked for; all that change if None.
        device: Where the values will be.
    """
    full, top = hierarchy.side, len(levels) - 1
    latents = _sites_of(latent_mask, hierarchy)
    rows, columns = np.divmod(latents, full)
    level_of = np.zeros(len(latents), dtype=np.int64)
    for h in range(top):
        level_of += (rows % (2 << h) == 0) & (columns % (2 << h) == 0)
    wanted = None
    if pixel_mask is not None:
        wanted = _needed(levels, full, _sites_of(pixel_mask, hierarchy))
    plans, dirty, blocks = [], latents[:0], 0
    for h in reversed(range(top + 1)):
        side, steps = full >> h, []
        rows, columns = np.divmod(dirty, side // 2)
        carried = 2 * rows * side + 2 * columns
        reads = latents[level_of == h]
        rows, columns = np.divmod(reads, full)
        entering = (rows >> h) * side + (columns >> h)
        if wanted is not None:
            asked = np.isin(entering, wanted[h][-1])
            reads, entering = reads[asked], entering[asked]
        dirty = np.concatenate((carried, entering))
        for j, layer in reversed(list(enumerate(levels[h]))):
            if not len(dirty):
                break
            asked_for = None if wanted is None else wanted[h][j]
            step, dirty, count = _step(layer, (h, j), side, dirty, asked_for, inverse=True)
            steps.append(step)
            blocks += count
        plans.append(LevelPlan(reads, tuple(steps), dirty[:0], dirty[:0]))
    everything = wanted is None
    return _finished(plans, dirty, levels, hierarchy, blocks, True, everything, device)


def _sites_of(mask: Tensor, hierarchy: Hierarchy) -> np.ndarray:
    side = hierarchy.side
    if mask.dtype != torch.bool or mask.shape != (side, side):
        raise ValueError(
            f"got a mask of shape {tuple(mask.shape)} and type {mask.dtype}, "
            f"expected ({side}, {side}) of torch.bool"
        )
    return np.flatnonzero(mask.cpu().numpy())


def _needed(levels: Levels, full: int, pixels: np.ndarray) -> list[list[np.ndarray]]:
    """The sites before and after each layer on which the given pixels depend, by level."""
    needed = []
    for h, layers in enumerate(levels):
        side = full >> h
        sites = [pixels]
        for layer in layers:
            cells = np.unique(cells_of(layer, side, sites[-1])[0])
            sites.append(sites_of(layer, side, cells).ravel())
        needed.append(sites)
        rows, columns = np.divmod(sites[-1], side)
        even = (rows % 2 == 0) & (columns % 2 == 0)
        pixels = rows[even] // 2 * (side // 2) + columns[even] // 2
    return needed


def _step(
    layer: CellLayer,
    place: tuple[int, int],
    side: int,
    dirty: np.ndarray,
    asked_for: np.ndarray | None,
    *,
    inverse: bool,
) -> tuple[Step, np.ndarray, int]:
    """One layer, the sites that have changed after it, and the number of blocks that it costs."""
    cell_of, within = cells_of(layer, side, dirty)
    cells, column = np.unique(cell_of, return_inverse=True)
    sites = sites_of(layer, side, cells)  # (k k, n)
    order = np.full(sites.size, -1)
    order[within * len(cells) + column] = np.arange(len(dirty))
    rest = np.flatnonzero(order < 0)
    order[rest] = np.arange(len(dirty), sites.size)
    changed = np.ones(sites.shape, dtype=bool)
    changed.ravel()[rest] = False
    changed = spread(layer, side, sites, changed, inverse=inverse)
    if asked_for is not None:
        changed &= np.isin(sites, asked_for)
    kept = None if changed.all() else np.flatnonzero(changed)
    flat = sites.ravel()
    step = Step(layer, *place, cells, sites, flat[rest], order, kept)
    return step, flat if kept is None else flat[kept], blocks_of(layer, side, len(cells))


def _finished(
    plans: list[LevelPlan],
    sites: np.ndarray,
    levels: Levels,
    hierarchy: Hierarchy,
    blocks: int,
    inverse: bool,
    everything: bool,
    device: torch.device,
) -> ConePlan:
    def on_device(part: object) -> object:
        return torch.from_numpy(part).to(device) if isinstance(part, np.ndarray) else part

    finished = []
    for plan in plans:
        steps = tuple(Step(*map(on_device, step)) for step in plan.steps)
        tensors = (on_device(part) for part in (plan.reads, plan.up, plan.emitted))
        reads, up, emitted = tensors
        finished.append(LevelPlan(reads, steps, up, emitted))
    sides = [hierarchy.side >> h for h in range(len(levels))]
    everywhere = sum(
        blocks_of(layer, side, (side // layer.cell) ** 2)
        for side, layers in zip(sides, levels, strict=True)
        for layer in layers
    )
    tensor = torch.from_numpy(sites).to(device)
    return ConePlan(inverse, tuple(finished), tensor, everything, blocks, everywhere)
