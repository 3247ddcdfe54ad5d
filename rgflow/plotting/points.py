"""Points with error bars, on axes of whole numbers or of their logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Points(NamedTuple):
    """Values with errors at some places, ``(k,)`` each."""

    x: Tensor
    y: Tensor
    error: Tensor


def draw(axis: Axes, points: Points, **style: str) -> None:
    """Draws points with their error bars."""
    plain = {"marker": "o", "markersize": 4, "linewidth": 1, "capsize": 2} | style
    axis.errorbar(points.x.numpy(), points.y.numpy(), points.error.numpy(), **plain)
    axis.grid(alpha=0.3)


def integer_logs(axis: Axes) -> None:
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


def figure_of(
    rows: int, columns: int, high: float = 3.3, wide: float = 3.9
) -> tuple[Figure, Sequence[Sequence[Axes]]]:
    """A figure of some panels, each of a width and a height in inches."""
    from matplotlib.figure import Figure

    size = (wide * columns + 0.4, high * rows + 0.3)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)
