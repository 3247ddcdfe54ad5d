"""A known image with all that a flow makes of it, from which partial maps start."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cell_layer import CellLayer, lattice_cells
from rgflow.bijectors.polyphase import merge_phases, split_phases
from rgflow.hierarchy import Hierarchy


@dataclass(frozen=True)
class Trace:
    """A known image or field with all that a flow makes of it on the way to its latents.

    It costs one full encoding and the memory of all intermediate fields, about ``4/3`` of an image
    for each layer of a level. It is a constant: no gradient flows into it, and it is of no use
    once the weights have changed.

    Attributes:
        bijector: The map that was traced.
        x: The known image or field, ``(B, C, L, L)``.
        z: Its latents, ``(B, C, L, L)``.
        log_det: That of the encoding, ``(B,)``.
        fields: For each level the fields before and after each of its layers, ``(C, S S, B)``.
        cell_log_dets: For each level and layer the log_dets of all cells, ``(cells, B)``.
    """

    bijector: Bijector
    x: Tensor
    z: Tensor
    log_det: Tensor
    fields: tuple[tuple[Tensor, ...], ...]
    cell_log_dets: tuple[tuple[Tensor, ...], ...]


@torch.no_grad()
def trace(bijector: Bijector, x: Tensor) -> Trace:
    """Encodes x, ``(B, C, L, L)``, and keeps all intermediate fields, at the cost of one encoding.

    Raises:
        ValueError: If the map has no levels that could be computed one after another.
    """
    levels, _ = levels_of(bijector)
    bijector._check(x)
    batch, channels, side, _ = x.shape
    field = x.flatten(2).permute(1, 2, 0).contiguous()  # (C, L L, B)
    total, fields, cell_log_dets, emitted = 0, [], [], []
    for layers in levels:
        known, log_dets = [field], []
        for layer in layers:
            sites = lattice_cells(layer, side, x.device)  # (k k, n)
            cells = field[:, sites]  # (C, k k, n, B)
            images, log_det = layer.map_cells(cells, sites, inverse=False)
            field = torch.empty_like(field)
            field[:, sites] = images
            known.append(field)
            log_dets.append(log_det)
            total = total + log_det.sum(0)
        fields.append(tuple(known))
        cell_log_dets.append(tuple(log_dets))
        kept, *rest = split_phases(field.permute(2, 0, 1).unflatten(2, (side, side)))
        emitted.append(rest)
        side //= 2
        last, field = field, kept.permute(1, 2, 3, 0).reshape(channels, side * side, batch)
    top = 2 * side
    z = last.permute(2, 0, 1).unflatten(2, (top, top))
    for rest in reversed(emitted[:-1]):
        z = merge_phases((z, *rest))
    return Trace(bijector, x.detach(), z, total, tuple(fields), tuple(cell_log_dets))


def levels_of(bijector: Bijector) -> tuple[tuple[tuple[CellLayer, ...], ...], Hierarchy]:
    """The layers of each level and the geometry of a map with levels.

    Raises:
        ValueError: For a map without levels, or with a map behind them.
    """
    levels, hierarchy = bijector.layers_by_level, bijector.hierarchy
    if levels is None or hierarchy is None:
        raise ValueError(
            f"got a {type(bijector).__name__} without levels, expected a MERA, with nothing but "
            "maps of single sites in front: only such a map can be computed in part"
        )
    return levels, hierarchy
