"""Generation as a list of layers, each of which couples nearby sites of one lattice."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.bijectors import MERA, BlockLevel, Chain, ConvLevel, PixelLogit
from rgflow.bijectors.base import Bijector
from rgflow.bijectors.fourier import CirculantRoot
from rgflow.bijectors.polyphase import stack_phases, unstack_phases
from rgflow.flow import Flow
from rgflow.hierarchy import Hierarchy, Reach

SPACES = ("data", "levels")
_OUTSIDE = (PixelLogit, CirculantRoot)  # maps that stand outside of the levels


class GenerationLayer(NamedTuple):
    """One layer of generation.

    Attributes:
        level: The layer acts on the sites whose coordinates are multiples of ``2**level``.
        apply: The map, ``(B, C, S, S)`` to the same with ``S = L / 2**level``.
        reaches: The reaches of its couplings in the order of generation, in sites of that
            sub-lattice; None if it is not local.
    """

    level: int
    apply: Callable[[Tensor], Tensor]
    reaches: tuple[Reach, ...] | None


class Neighbourhood(NamedTuple):
    """Which sites a layer couples: those of a cell, and some of them also with nearby cells.

    Attributes:
        cell: Side of a cell, in sites.
        offset: Shift of the grid of cells along both axes, as in `Reach`.
        radius: Number of neighbouring cells on each side that a site can change.
        spreading: ``(cell, cell)`` booleans, the sites that can change other cells.
        written: ``(cell, cell)`` booleans, the sites that other cells can change.
    """

    cell: int
    offset: int
    radius: int
    spreading: Tensor
    written: Tensor


def generation_layers(flow: Flow, space: str = "data") -> list[GenerationLayer]:
    """The layers of ``flow.decode`` in the order of application, levels from coarse to fine.

    One after another, each on its sub-lattice of the latent layout, they give ``flow.decode(z)``.

    Args:
        flow: A flow on ``(C, L, L)``.
        space: ``"data"`` for images or fields as they are; ``"levels"`` stops before the maps
            outside of the levels, which are the inverse of the pixel logit or a Fourier map.

    Raises:
        ValueError: For another space, or events of another shape.
    """
    if space not in SPACES:
        raise ValueError(f"space: got {space!r}, expected one of {SPACES}")
    check_lattice(flow)
    layers = _layers(flow.bijector, 0, space)
    levels = [layer.level for layer in layers]
    if levels != sorted(levels, reverse=True):  # two hierarchies one after another
        return [_leaf(flow.bijector, 0)]
    return layers


def decode_to(flow: Flow, z: Tensor, space: str = "data") -> Tensor:
    """``flow.decode(z)``, or for ``"levels"`` what is there before the maps outside of the levels.

    Raises:
        ValueError: For another space.
    """
    if space not in SPACES:
        raise ValueError(f"space: got {space!r}, expected one of {SPACES}")
    if space == "data":
        return flow.decode(z)
    parts = flow.bijector.bijectors if isinstance(flow.bijector, Chain) else [flow.bijector]
    for part in reversed(list(parts)):
        if not isinstance(part, _OUTSIDE):
            z = part.inverse(z)[0]
    return z


def check_lattice(flow: Flow) -> None:
    """Refuses events that are no fields on a square lattice.

    Raises:
        ValueError: With the shape that was got.
    """
    shape = tuple(flow.event_shape)
    if len(shape) != 3 or shape[1] != shape[2]:
        raise ValueError(f"the flow acts on {shape}, expected fields or images (C, L, L)")


def scales_of(flow: Flow) -> Hierarchy | None:
    """The hierarchy of the levels, also behind a Fourier map; None where there are no levels.

    Behind a Fourier map the latents still have a scale, but no cone: ``flow.hierarchy`` is None.
    """
    parts = flow.bijector.bijectors if isinstance(flow.bijector, Chain) else [flow.bijector]
    found = [part.hierarchy for part in parts if part.hierarchy is not None]
    return found[0] if len(found) == 1 else None


def level_of_latents(flow: Flow) -> Tensor:
    """The level of each site of the latent layout, ``(L, L)``; 0 where there are no levels."""
    check_lattice(flow)
    scales = scales_of(flow)
    side = flow.event_shape[-1]
    return scales.level_of_site if scales else torch.zeros(side, side, dtype=torch.long)


def _layers(bijector: Bijector, level: int, space: str) -> list[GenerationLayer]:
    if isinstance(bijector, MERA):
        parts = list(enumerate(bijector.level_bijectors))[::-1]
        return [layer for h, part in parts for layer in _layers(part, level + h, space)]
    if isinstance(bijector, Chain):
        parts = reversed(list(bijector.bijectors))
        return [layer for part in parts for layer in _layers(part, level, space)]
    if isinstance(bijector, BlockLevel):
        return _layers(bijector.layers, level, space)
    if isinstance(bijector, ConvLevel):
        parts = reversed(list(bijector.layers.bijectors))
        return [_leaf(part, level)._replace(apply=partial(_on_stack, part)) for part in parts]
    if space == "levels" and isinstance(bijector, _OUTSIDE):
        return []
    return [_leaf(bijector, level)]


def _leaf(bijector: Bijector, level: int) -> GenerationLayer:
    reaches = bijector.reaches
    order = None if reaches is None else tuple(reversed(reaches))
    return GenerationLayer(level, partial(_generate, bijector), order)


def _generate(bijector: Bijector, z: Tensor) -> Tensor:
    return bijector.inverse(z)[0]


def _on_stack(part: Bijector, z: Tensor) -> Tensor:
    return unstack_phases(part.inverse(stack_phases(z))[0])


def neighbourhood(reaches: Sequence[Reach] | None, side: int) -> Neighbourhood:
    """Which sites a layer with these reaches couples, on a lattice of side ``side``."""
    if reaches is None:
        return _closed(side)
    if not reaches:
        return _closed(1)
    cells, offsets = {r.cell for r in reaches}, {r.offset for r in reaches}
    if len(cells) == len(offsets) == 1 and not any(r.radius for r in reaches):
        return _closed(cells.pop(), offsets.pop())
    cell = math.lcm(*cells)
    if side % cell or cell == side:
        return _closed(side)
    return _open(reaches, side, cell)


def _closed(cell: int, offset: int = 0) -> Neighbourhood:
    """Cells that are not coupled to each other."""
    nothing = torch.zeros(cell, cell, dtype=torch.bool)
    return Neighbourhood(cell, offset, 0, nothing, nothing)


def _open(reaches: Sequence[Reach], side: int, cell: int) -> Neighbourhood:
    """Cells that change each other, as seen from one of them: all are alike."""
    count = side // cell
    single = torch.eye(cell * cell, dtype=torch.bool).view(-1, cell, cell)
    mask = torch.zeros(cell * cell, side, side, dtype=torch.bool)
    mask[:, :cell, :cell] = single
    for reach in reaches:
        mask = reach.spread(mask)
    by_cell = mask.view(-1, count, cell, count, cell).permute(0, 1, 3, 2, 4).clone()
    by_cell[:, 0, 0] = False
    reached = by_cell.flatten(3).any(-1).any(0)  # (count, count)
    index = torch.arange(count)
    distance = torch.minimum(index, count - index)
    radius = torch.maximum(distance[:, None], distance[None, :])[reached]
    return Neighbourhood(
        cell,
        0,
        int(radius.max()) if len(radius) else 0,
        by_cell.flatten(1).any(1).view(cell, cell),
        by_cell.flatten(0, 2).any(0),
    )
