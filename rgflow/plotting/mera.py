"""A drawing of a MERA: one row of the lattice with its levels, and the cone of one pixel."""

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from rgflow.hierarchy import Hierarchy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONE, REST, EDGE, INK = "#d9480f", "#c3c9d0", "#9aa5b1", "#343a40"
FILLS = {"disentangler": ("#e3edf7", "#8fbce6"), "decimator": ("#e6f2e4", "#93cf8e")}
"""Colours of blocks outside and inside of the cone."""
HEIGHT, PIXELS = 3.0, -0.55
"""Height of a level and place of the pixels; sites of the lattice are one apart."""


class BlockRow(NamedTuple):
    """The blocks of one layer along the row.

    Attributes:
        name: ``"disentangler"`` or ``"decimator"``.
        blocks: First and last site of each block, on the level's own lattice; the first block of a
            shifted grid begins at a negative site, the last ends behind the lattice.
        cone: ``(L_h,)`` bool, sites of the level that depend on the pixel behind this layer.
    """

    name: str
    blocks: tuple[tuple[int, int], ...]
    cone: Tensor


def block_rows(hierarchy: Hierarchy, pixel: int) -> list[list[BlockRow]]:
    """The block layers of each level along row 0 of the lattice, fine to coarse.

    Args:
        hierarchy: Levels whose layers are blocks.
        pixel: Column of the pixel in row 0 whose inference cone is followed.

    Raises:
        ValueError: If there is no such pixel, or a layer couples neighbouring cells and so is not
            one of blocks.

    >>> from rgflow.hierarchy import Reach, full_pattern
    >>> pair = Reach(2, full_pattern(2), full_pattern(2))
    >>> rows = block_rows(Hierarchy(4, [[pair], [pair]]), pixel=0)
    >>> rows[0][0].blocks, rows[0][0].cone.tolist()
    (((0, 1), (2, 3)), [True, True, False, False])
    """
    if pixel not in range(hierarchy.side):
        raise ValueError(f"pixel: got {pixel}, expected 0 to {hierarchy.side - 1}")
    mask = torch.zeros(hierarchy.side, hierarchy.side, dtype=torch.bool)
    mask[0, pixel] = True
    levels = []
    for level, reaches in enumerate(hierarchy.reaches):
        if any(reach.radius for reach in reaches):
            raise ValueError(f"got convolutions on level {level}, expected a hierarchy of blocks")
        rows, done = [], 0
        for (cell, offset), layer in groupby(reaches, lambda reach: (reach.cell, reach.offset)):
            done += len(list(layer))
            below = Hierarchy(hierarchy.side, [*hierarchy.reaches[:level], reaches[:done]])
            cone = below.inference_cone(mask)[0, :: 2**level]
            corners = range(-offset, len(cone), cell)
            blocks = tuple((corner, corner + cell - 1) for corner in corners)
            rows.append(BlockRow("disentangler" if offset else "decimator", blocks, cone))
        levels.append(rows)
    return levels


def mera_figure(hierarchy: Hierarchy, pixel: int | None = None) -> "Figure":
    """Draws a one-dimensional cut through a MERA of blocks.

    Pixels are at the bottom, levels go upwards. Each level shows its block layers, the latents
    that it emits, and the sites that it keeps for the next level. What depends on one pixel, its
    inference cone, is highlighted.

    Args:
        hierarchy: Levels whose layers are blocks, such as those of ``block_flow``.
        pixel: Column of the pixel whose cone is shown; one near the middle if None.

    Returns:
        A matplotlib figure, not attached to any window.

    Raises:
        ValueError: If a level is not made of blocks, or if there is no such pixel.

    Reference: the architecture and the cones are those of arXiv:2010.00029.
    """
    from matplotlib.figure import Figure

    side = hierarchy.side
    pixel = side // 2 - 1 if pixel is None else pixel
    levels = block_rows(hierarchy, pixel)
    figure = Figure(figsize=(8, 0.8 + 1.05 * len(levels)), dpi=150, layout="constrained")
    axes = figure.subplots()
    cone = torch.arange(side) == pixel
    axes.scatter(range(side), [PIXELS] * side, 60, _colours(cone), marker="s", zorder=4)
    for level, rows in enumerate(levels):
        _draw_level(axes, level, rows, cone, hierarchy.level_of_site[0, :: 2**level] == level)
        cone = rows[-1].cone[::2]  # of the kept sites
    _label(axes, hierarchy, pixel)
    return figure


def _draw_level(
    axes: "Axes", level: int, rows: list[BlockRow], cone: Tensor, emitted: Tensor
) -> None:
    """Draws the sites as wires, the blocks as boxes and the emitted latents as dots.

    Args:
        axes: Sites of the lattice are one apart, levels `HEIGHT`.
        level: Level h.
        rows: Its block layers.
        cone: ``(L_h,)`` bool, sites that depend on the pixel below the first layer.
        emitted: ``(L_h,)`` bool, sites that the level emits.
    """
    step, floor = 2**level, HEIGHT * level + PIXELS
    boxes = [floor + 0.15 + (i + 1) * 2 / len(rows) for i in range(len(rows))]
    end = torch.where(emitted, floor + HEIGHT - 0.1, floor + HEIGHT)
    bottoms, tops = [floor, *boxes], [*(torch.full_like(end, box) for box in boxes), end]
    for inside, bottom, top in zip([cone, *(r.cone for r in rows)], bottoms, tops, strict=True):
        colours, widths = _colours(inside), [2.2 if i else 1.0 for i in inside]
        axes.vlines(torch.arange(len(end)) * step, bottom, top, colours, lw=widths, zorder=1)
    for row, height in zip(rows, boxes, strict=True):
        for first, last in row.blocks:
            sites = torch.arange(first, last + 1) % len(cone)
            _draw_box(axes, row.name, first * step, last * step, height, row.cone[sites].any())
    places, colours = emitted.nonzero()[:, 0], _colours(rows[-1].cone[emitted])
    axes.scatter(places * step, end[emitted], 48, colours, edgecolors="white", zorder=4)


def _draw_box(
    axes: "Axes", name: str, left: int, right: int, height: float, inside: Tensor
) -> None:
    from matplotlib.patches import FancyBboxPatch

    margin, thickness = 0.3, 0.48
    box = FancyBboxPatch(
        (left - margin, height - thickness / 2),
        right - left + 2 * margin,
        thickness,
        boxstyle="round,pad=0,rounding_size=0.15",
        facecolor=FILLS[name][bool(inside)],
        edgecolor=CONE if inside else EDGE,
        lw=1.6 if inside else 0.8,
        zorder=3,
    )
    axes.add_patch(box)


def _label(axes: "Axes", hierarchy: Hierarchy, pixel: int) -> None:
    """Names the levels and what is drawn, and counts the latents in the cone."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    side = hierarchy.side
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[0, pixel] = True
    cone = hierarchy.inference_cone(mask)
    for level, latents in enumerate(hierarchy.latents_per_level):
        bottom, length = HEIGHT * level - 0.2, side >> level
        middle, here = bottom + HEIGHT / 2, int((cone & hierarchy.level_mask(level)).sum())
        name = f"level {level}\n{length} x {length} sites"
        axes.text(-1.1, middle, name, ha="right", va="center", color=INK)
        count = f"{here} of {latents} latents\nin the cone"
        axes.text(side + 0.1, middle, count, ha="left", va="center", color=CONE)
        if level % 2 == 0:
            axes.axhspan(bottom, bottom + HEIGHT, color="#f6f7f9", zorder=0)
    axes.text(-1.1, PIXELS, "pixels", ha="right", va="center", color=INK)
    axes.figure.supylabel("← generation        renormalization →", fontsize="medium", color=INK)
    handles = [
        Patch(facecolor=FILLS["disentangler"][1], edgecolor=EDGE, label="disentangler"),
        Patch(facecolor=FILLS["decimator"][1], edgecolor=EDGE, label="decimator"),
        Line2D([], [], color="#868e96", lw=1.5, label="kept site"),
        Line2D([], [], color="#868e96", marker="o", ls="none", ms=7, label="emitted latent"),
        Line2D([], [], color=CONE, lw=2.2, label="inference cone of a pixel"),
    ]
    place = "outside lower center"
    axes.figure.legend(handles=handles, loc=place, ncols=5, frameon=False, columnspacing=1.2)
    axes.set_xlim(-0.8, side - 0.2)  # blocks of a shifted grid are cut at the edges
    axes.set_ylim(-1.0, HEIGHT * hierarchy.levels - 0.2)
    axes.axis("off")


def _colours(cone: Tensor) -> list[str]:
    return [CONE if inside else REST for inside in cone.tolist()]
