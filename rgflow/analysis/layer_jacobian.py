"""The exact Jacobian of a layer from few derivatives, by perturbing far sites at once.

Where a perturbed site changes only nearby sites, one forward-mode derivative shows the responses
to many sites at the same time (Curtis, Powell and Reid, 1974). A layer of blocks of D numbers
needs D derivatives, whatever the size of the lattice.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.forward_mode import derivative_along
from rgflow.analysis.generation_layers import GenerationLayer, Neighbourhood, neighbourhood
from rgflow.ops import plain

BATCH = 256  # derivatives that are computed at a time
_TILE = 4  # cells along each side of a tile


class JacobianPattern(NamedTuple):
    """Where the entries of a layer's Jacobian can differ from zero; E = C S S numbers a sample.

    Attributes:
        probe: ``(E,)``: the number of the derivative in which this input is perturbed.
        own: ``(cells, D)``: the numbers of each cell.
        inputs: ``(tiles, I)``: the inputs that change the outputs of a tile from other cells.
        outputs: ``(tiles, O)``: those outputs.
        coupled: ``(tiles, I, O)``: whether the one can change the other.
    """

    probe: Tensor
    own: Tensor
    inputs: Tensor
    outputs: Tensor
    coupled: Tensor


class LayerJacobian(NamedTuple):
    """The Jacobian of a layer at one point, in the pattern of its `JacobianPattern`.

    Attributes:
        inside: ``(cells, D, D)``, by output and input: derivatives within cells.
        between: ``(tiles, O, I)``: derivatives of numbers of a tile by those of other cells.
    """

    inside: Tensor
    between: Tensor


def jacobian_pattern(layer: GenerationLayer, channels: int, side: int) -> JacobianPattern:
    """The pattern of a layer on ``(channels, side, side)``."""
    near = neighbourhood(layer.reaches, side)
    k, count = near.cell, side // near.cell
    sites = torch.arange(side * side).view(side, side)
    sites = sites.roll((near.offset, near.offset), (0, 1))  # the grid starts at -offset
    sites = sites.view(count, k, count, k).transpose(1, 2)  # (n, n, K, K)
    shifts = torch.arange(channels) * side * side
    entries = (sites[..., None] + shifts).flatten(2)  # (n, n, D), channel innermost
    spreading = near.spreading.flatten().repeat_interleave(channels)  # (D,)
    written = near.written.flatten().repeat_interleave(channels)
    probe = _probes(entries, spreading, near.radius)
    if not near.radius:
        empty = torch.zeros(0, 0, dtype=torch.long)
        return JacobianPattern(probe, entries.flatten(0, 1), empty, empty, empty[None].bool())
    tiles = _tiles(count, near, entries[..., spreading], entries[..., written])
    return JacobianPattern(probe, entries.flatten(0, 1), *tiles)


def _probes(entries: Tensor, spreading: Tensor, radius: int) -> Tensor:
    """The derivative in which each number is perturbed, so that responses do not overlap."""
    count = len(entries)
    colour = _colours(count, 2 * radius + 1)
    colours = int(colour.max()) + 1
    numbers = torch.empty_like(entries)
    staying = int((~spreading).sum())
    numbers[..., ~spreading] = torch.arange(staying)
    of_cell = (colour[:, None] * colours + colour[None, :])[..., None]  # (n, n, 1)
    numbers[..., spreading] = (
        staying + of_cell * int(spreading.sum()) + torch.arange(int(spreading.sum()))
    )
    probe = torch.empty(entries.numel(), dtype=torch.long)
    probe[entries.flatten()] = numbers.flatten()
    return probe


def _colours(count: int, distance: int) -> Tensor:
    """Colours of the sites of a ring such that equal ones are at least ``distance`` apart."""
    pieces = max(1, count // distance)
    index = torch.arange(count)
    starts = torch.arange(pieces) * count // pieces
    return index - starts[torch.searchsorted(starts, index, right=True) - 1]


def _tiles(
    count: int, near: Neighbourhood, sources: Tensor, targets: Tensor
) -> tuple[Tensor, ...]:
    """Squares of cells with the cells around them: inputs, outputs, and which are coupled."""
    tile = max(t for t in range(1, _TILE + 1) if count % t == 0)
    width = tile + 2 * near.radius
    starts = torch.arange(0, count, tile)[:, None]
    inner = starts + torch.arange(tile)  # (tiles along an axis, cells)
    outer = torch.arange(count).expand(len(starts), -1)
    if width < count:
        outer = (starts + torch.arange(-near.radius, tile + near.radius)) % count
    ring = (outer[:, :, None] - inner[:, None, :]) % count
    apart = torch.minimum(ring, count - ring)  # (tiles along an axis, outer, inner)
    a = apart[:, None, :, None, :, None]  # rows
    b = apart[None, :, None, :, None, :]  # columns
    far = (
        torch.maximum(a, b).flatten(4, 5).flatten(2, 3).flatten(0, 1)
    )  # (tiles, outer^2, inner^2)
    coupled = (far <= near.radius) & (far > 0)

    def gather(entries: Tensor, cells: Tensor) -> Tensor:
        rows, columns = cells[:, None, :, None], cells[None, :, None, :]
        return entries[rows, columns].flatten(2, 4).flatten(0, 1)  # (tiles, cells * numbers)

    wide = coupled.repeat_interleave(sources.shape[-1], 1)
    return (
        gather(sources, outer),
        gather(targets, inner),
        wide.repeat_interleave(targets.shape[-1], 2),
    )


def layer_jacobian(layer: GenerationLayer, pattern: JacobianPattern, y: Tensor) -> LayerJacobian:
    """The Jacobian of a layer at the point y.

    Args:
        layer: The layer.
        pattern: Its pattern, see `jacobian_pattern`.
        y: Its input, ``(C, S, S)``.
    """
    response = _responses(layer, pattern.probe, y)  # (probes, E)
    probe, own = pattern.probe, pattern.own
    inside = response[probe[own][:, None, :], own[:, :, None]]
    if not pattern.inputs.numel():
        return LayerJacobian(inside, response.new_zeros(0, 0, 0))
    inputs, outputs = pattern.inputs, pattern.outputs
    between = response[probe[inputs][:, None, :], outputs[:, :, None]]
    return LayerJacobian(inside, between * pattern.coupled.transpose(1, 2))


def _responses(layer: GenerationLayer, probe: Tensor, y: Tensor) -> Tensor:
    """The derivatives of all outputs in each of the directions that `probe` numbers."""

    def along(tangent: Tensor) -> Tensor:
        return derivative_along(layer.apply, y[None], tangent[None]).flatten()

    numbers = torch.arange(int(probe.max()) + 1, device=y.device)
    tangents = (probe == numbers[:, None]).to(y).view(-1, *y.shape)
    with plain():  # forward mode knows no gradients written by hand
        return torch.func.vmap(along, chunk_size=BATCH)(tangents)


def push(tangents: Tensor, pattern: JacobianPattern, jacobian: LayerJacobian) -> Tensor:
    """The derivatives of a layer's outputs along N tangents of its inputs, ``(E, N) -> (E, N)``.

    Zeros of the tangents give zeros wherever the pattern has none of the others.
    """
    result = torch.empty_like(tangents)
    own = jacobian.inside @ tangents[pattern.own]  # (cells, D, N)
    result[pattern.own.flatten()] = own.flatten(0, 1)
    tiles = zip(pattern.inputs, pattern.outputs, jacobian.between, strict=True)
    for inputs, outputs, between in tiles if pattern.inputs.numel() else ():
        result[outputs] += between @ tangents[inputs]
    return result
