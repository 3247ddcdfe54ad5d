"""Figures of the geometry of the bulk: informations, laws of distance, embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Points(NamedTuple):
    """Values with errors at some places, ``(k,)`` each."""

    x: Tensor
    y: Tensor
    error: Tensor


class Line(NamedTuple):
    """The line of a fit, ``(k,)`` each, and what it is."""

    x: Tensor
    y: Tensor
    label: str


def information_figure(sources: Mapping[str, tuple[Sequence[Points], Points]]) -> Figure:
    """Information against the distance at each level, and between levels, for several sources.

    What is not positive within its error is left out by the logarithmic scale, but its error bar
    is drawn as far as it reaches.

    Args:
        sources: By their names: points along the boundary of each level, in lattice spacings, and
            points along the scale direction, in levels.
    """
    levels = max(len(boundary) for boundary, _ in sources.values())
    figure, axes = _figure(1, levels + 1)
    for i, (name, (boundary, scale)) in enumerate(sources.items()):
        style = {"color": f"C{i}", "label": name, "marker": "os^v"[i % 4]}
        for axis, points in zip(axes[0], [*boundary, scale], strict=False):
            # a logarithmic scale cannot show what is not positive
            positive = torch.where(points.y > 0, points.y, math.nan)
            _draw(axis, Points(points.x * (1 + 0.02 * i), positive, points.error), **style)
    for h, axis in enumerate(axes[0]):
        axis.set_yscale("log")
        if h < levels:
            _integer_logs(axis)
            axis.set(title=f"level {h}", xlabel="r in lattice spacings")
        else:
            axis.set(title="along the scale, from level 0", xlabel="levels in between")
            axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0, 0].set(ylabel="mutual information (nats)")
    _same_heights(axes[0])
    axes[0, 0].legend(frameon=False, fontsize=8)
    return figure


def laws_figure(
    sources: Mapping[str, tuple[Mapping[int, Points], Sequence[Line], Points, Sequence[Line]]],
    unit: str,
) -> Figure:
    """Distances along the boundary, against ln r and r, and along the scale, a row for a source.

    Args:
        sources: By their names: points by level against r in cells of the level, lines of fits
            against r, points against numbers of levels, lines of their fits.
        unit: What distances are measured in.
    """
    figure, axes = _figure(len(sources), 3)
    for row, (name, (boundary, lines, scale, scale_lines)) in zip(
        axes, sources.items(), strict=True
    ):
        for is_log, axis in zip((True, False), row, strict=False):
            for level, points in boundary.items():
                if not len(points.x):
                    continue
                _draw(axis, points, color=f"C{level}", label=f"level {level}", linestyle="none")
            for line, style in zip(lines, ("-", "--"), strict=False):
                axis.plot(*_xy(line), f"k{style}", linewidth=1, label=line.label)
            if is_log:
                _integer_logs(axis)
            else:
                axis.xaxis.get_major_locator().set_params(integer=True)
            axis.set(xlabel="r in cells of the level", ylabel=f"distance ({unit})")
        row[0].set_title(f"{name}: along the boundary, against ln r", fontsize=9)
        row[1].set_title(f"{name}: along the boundary, against r", fontsize=9)
        row[2].set_title(f"{name}: along the scale, from level 0", fontsize=9)
        _draw(row[2], scale, color="C0", linestyle="none")
        for line in scale_lines:
            row[2].plot(*_xy(line), "k-", linewidth=1, label=line.label)
        row[2].set(xlabel="levels in between", ylabel=f"distance ({unit})")
        row[2].xaxis.get_major_locator().set_params(integer=True)
        for axis in row:
            if axis.get_legend_handles_labels()[1]:
                axis.legend(frameon=False, fontsize=7)
    return figure


def half_plane_figure(
    sources: Mapping[str, tuple[Tensor, Tensor, Tensor, Tensor]], unit: str
) -> Figure:
    """Distances as measured against those of the fitted half plane, a panel for each source.

    Args:
        sources: By their names: predicted and measured distances and the levels of both cells,
            ``(n,)`` each.
        unit: What distances are measured in.
    """
    figure, axes = _figure(1, len(sources))
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
        axis.set(title=name, xlabel=f"distance in the half plane ({unit})")
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=8)
    axes[0, 0].set_ylabel(f"measured distance ({unit})")
    bar = figure.colorbar(picture, ax=list(axes[0]), label="level of the finer cell", shrink=0.9)
    bar.ax.yaxis.get_major_locator().set_params(integer=True)
    return figure


def embedding_figure(
    sources: Mapping[str, tuple[Tensor, Tensor, Sequence[tuple[int, int]], str]],
) -> Figure:
    """Points of the Poincare disk, coloured by level, a panel for each source.

    Args:
        sources: By their names: points ``(n, 2)`` inside the unit circle, their levels ``(n,)``,
            the pairs that a line connects, and a line of text.
    """
    from matplotlib.patches import Circle

    figure, axes = _figure(1, len(sources), high=4.4, wide=4.3)
    last = max(int(level.max()) for _, level, _, _ in sources.values())
    for axis, (name, (points, level, edges, text)) in zip(axes[0], sources.items(), strict=True):
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


def _draw(axis: Axes, points: Points, **style: str) -> None:
    plain = {"marker": "o", "markersize": 4, "linewidth": 1, "capsize": 2} | style
    axis.errorbar(points.x.numpy(), points.y.numpy(), points.error.numpy(), **plain)
    axis.grid(alpha=0.3)


def _integer_logs(axis: Axes) -> None:
    """A logarithmic scale for distances from the first to the last one drawn, with their ticks."""
    from matplotlib.ticker import NullFormatter, ScalarFormatter

    drawn = [x for bars in axis.containers for x in bars.lines[0].get_xdata()]
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.xaxis.set_minor_formatter(NullFormatter())
    if drawn:
        last = round(float(max(drawn))).bit_length()
        axis.set_xticks([2**k for k in range(last) if 2**k >= 0.9 * min(drawn)])
        axis.set_xlim(min(drawn) / 1.25, max(drawn) * 1.25)


def _xy(line: Line) -> tuple[Any, Any]:
    return line.x.numpy(), line.y.numpy()


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


def _figure(
    rows: int, columns: int, high: float = 3.3, wide: float = 3.9
) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    from matplotlib.figure import Figure

    size = (wide * columns + 0.4, high * rows + 0.3)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)
