"""The figure of the laws of distance: against the logarithm of the chord, r, and levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

from rgflow.plotting.points import Points, draw, figure_of, integer_logs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FittedLaw(NamedTuple):
    """The curve of a fit, ``(k,)`` each: its label, r or levels, chords, and distances."""

    label: str
    r: Tensor
    chord: Tensor
    distance: Tensor


class LevelDistances(NamedTuple):
    """Distances along the boundary at one level, ``(k,)`` each, and curves of their fits."""

    level: int
    r: Tensor
    chord: Tensor
    distance: Tensor
    error: Tensor
    fits: Sequence[FittedLaw]


class ScaleDistances(NamedTuple):
    """Distances along the scale against numbers of levels, ``(k,)`` each, and their fit."""

    levels: Tensor
    distance: Tensor
    error: Tensor
    fit: FittedLaw | None


def laws_figure(
    sources: Mapping[str, tuple[Sequence[LevelDistances], ScaleDistances]], unit: str
) -> Figure:
    """Distances against the logarithm of the chord, against r, and against levels, by source.

    A panel without any point says that nothing is resolved.

    Args:
        sources: By their names, a row of panels for each.
        unit: What distances are measured in.
    """
    figure, axes = figure_of(len(sources), 3)
    for row, (name, (levels, scale)) in zip(axes, sources.items(), strict=True):
        for level in levels:
            if not len(level.r):
                continue
            color, label = f"C{level.level}", f"level {level.level}"
            for axis, x in zip(row, (level.chord, level.r), strict=False):
                points = Points(x, level.distance, level.error)
                draw(axis, points, color=color, label=label, linestyle="none")
            for fit, style in zip(level.fits, ("-", "--"), strict=False):
                for axis, x in zip(row, (fit.chord, fit.r), strict=False):
                    drawn = {"color": color, "linewidth": 1, "label": fit.label}
                    axis.plot(x.numpy(), fit.distance.numpy(), style, **drawn)
        if any(len(level.r) for level in levels):
            integer_logs(row[0])
        points = Points(scale.levels, scale.distance, scale.error)
        draw(row[2], points, color="C0", linestyle="none")
        if scale.fit is not None:
            x, y = scale.fit.r.numpy(), scale.fit.distance.numpy()
            row[2].plot(x, y, "k-", linewidth=1, label=scale.fit.label)
        texts = (
            ("against the chord", "chord in cells of the level"),
            ("against r", "r in cells of the level"),
            ("along the scale, from level 0", "levels in between"),
        )
        for axis, (title, x_label) in zip(row, texts, strict=True):
            axis.set_title(f"{name}: {title}", fontsize=9)
            axis.set(xlabel=x_label, ylabel=f"distance ({unit})")
            if axis.get_legend_handles_labels()[1]:
                axis.legend(frameon=False, fontsize=7)
            if axis is not row[0]:
                axis.xaxis.get_major_locator().set_params(integer=True)
            if not any(len(line.get_xdata()) for line in axis.lines):
                axis.text(0.5, 0.5, "nothing resolved", transform=axis.transAxes, ha="center")
                axis.set(xticks=[], yticks=[])
    return figure
