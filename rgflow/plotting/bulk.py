"""Figures of the geometry of the bulk: informations, half spaces and embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from rgflow.plotting.points import Points, draw, figure_of, integer_logs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def information_figure(sources: Mapping[str, tuple[Sequence[Points], Points]]) -> Figure:
    """Information against the distance at each level, and between levels, for several sources.

    A logarithmic scale cannot show what is not positive: there an open triangle stands two
    standard errors above the value, or above zero if the value is below it by more.

    Args:
        sources: By their names: points along the boundary of each level, in lattice spacings, and
            points along the scale direction, in levels.
    """
    levels = max(len(boundary) for boundary, _ in sources.values())
    figure, axes = figure_of(1, levels + 1)
    for i, (name, (boundary, scale)) in enumerate(sources.items()):
        style = {"color": f"C{i}", "label": name, "marker": "os^v"[i % 4]}
        for axis, points in zip(axes[0], [*boundary, scale], strict=False):
            x = points.x * (1 + 0.02 * i)
            shown = torch.where(points.y > 0, points.y, math.nan)
            draw(axis, Points(x, shown, points.error), **style)
            _upper_limits(axis, Points(x, points.y, points.error), f"C{i}")
    for h, axis in enumerate(axes[0]):
        axis.set_yscale("log")
        if h < levels:
            integer_logs(axis)
            axis.set(title=f"level {h}", xlabel="r in lattice spacings")
        else:
            axis.set(title="along the scale, from level 0", xlabel="levels in between")
            axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 0].set(ylabel="mutual information (nats)")
    _same_heights(axes[0])
    axes[0, 0].legend(frameon=False, fontsize=8)
    return figure


def half_plane_figure(
    sources: Mapping[str, tuple[Tensor, Tensor, Tensor, Tensor]], unit: str
) -> Figure:
    """Distances as measured against those of the fitted half space, a panel for each source.

    Args:
        sources: By their names: predicted and measured distances and the levels of both cells,
            ``(n,)`` each.
        unit: What distances are measured in.
    """
    figure, axes = figure_of(1, len(sources))
    for axis, (name, (predicted, measured, first, second)) in zip(
        axes[0], sources.items(), strict=True
    ):
        for same, marker, label in ((True, "o", "one level"), (False, "x", "two levels")):
            of = (first == second) == same
            picture = axis.scatter(
                predicted[of].numpy(),
                measured[of].numpy(),
                c=first[of].numpy(),
                cmap="viridis",
                vmin=0,
                vmax=max(1, int(second.max())),
                s=14,
                marker=marker,
                linewidths=0.8,
                label=label,
            )
        ends = [float(torch.cat((predicted, measured)).min()), float(predicted.max())]
        axis.plot(ends, ends, "k-", linewidth=0.8)
        axis.set(title=name, xlabel=f"distance in the half space ({unit})")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=8)
    axes[0, 0].set_ylabel(f"measured distance ({unit})")
    bar = figure.colorbar(picture, ax=list(axes[0]), label="level of the finer cell", shrink=0.9)
    bar.ax.yaxis.get_major_locator().set_params(integer=True)
    return figure


class EmbeddedCells(NamedTuple):
    """Points ``(n, 2)`` of the Poincare disk or the flat plane, with norms up to one.

    With their levels ``(n,)``, the pairs that a line connects, and a line of text.
    """

    points: Tensor
    level: Tensor
    edges: Sequence[tuple[int, int]]
    text: str
    is_flat: bool


def embedding_figure(sources: Mapping[str, EmbeddedCells]) -> Figure:
    """Embedded cells, coloured by level, a panel for each source; a disk has its circle.

    Args:
        sources: By their names.
    """
    from matplotlib.patches import Circle

    figure, axes = figure_of(1, len(sources), high=4.4, wide=4.3)
    last = max(int(one.level.max()) for one in sources.values())
    for axis, (name, one) in zip(axes[0], sources.items(), strict=True):
        points, level, edges, text, is_flat = one
        if not is_flat:
            axis.add_patch(Circle((0, 0), 1, facecolor="#f6f6f6", edgecolor="0.6"))
        for i, j in edges:
            axis.plot(*points[[i, j]].T.numpy(), color="0.75", linewidth=0.7, zorder=1)
        for h in range(last + 1):
            of = level == h
            axis.scatter(
                *points[of].T.numpy(),
                s=22 + 16 * h,
                color=f"C{h}",
                edgecolors="k",
                linewidths=0.4,
                label=f"level {h}",
                zorder=2 + h,
            )
        axis.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal", xticks=[], yticks=[])
        axis.set_title(f"{name}\n{text}", fontsize=9)
        axis.set_frame_on(False)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=last + 1,
        frameon=False,
        fontsize=8,
    )
    return figure


def _upper_limits(axis: Axes, points: Points, color: str) -> None:
    of = points.y <= 0
    if of.any():
        limit = (points.y + 2 * points.error)[of]
        limit = torch.where(limit > 0, limit, 2 * points.error[of])
        axis.errorbar(points.x[of].numpy(), limit.numpy(), fmt="v", mfc="none", color=color)


def _same_heights(axes: Sequence[Axes]) -> None:
    """One vertical scale, that of the values, however far the bars of weak ones reach down."""
    low, high = math.inf, 0.0
    for axis in axes:
        for bars in axis.containers:
            values = [v for v in bars.lines[0].get_ydata() if v > 0]
            low, high = min([low, *values]), max([high, *values])
    for axis in axes:
        if high > 0:
            axis.set_ylim(low / 2, high * 2)
