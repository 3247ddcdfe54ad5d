"""Curves of a training."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves_figure(
    curves: Mapping[str, Sequence[tuple[int, float]]], label: str, title: str = ""
) -> "Figure":
    """A number over the steps of a training, for training and validation.

    Early values far above the later ones leave the picture, so that the end can be read.

    Args:
        curves: Pairs of step and value of each curve, by its name.
        label: What the number is, for the vertical axis.
        title: Title over the figure.

    Raises:
        ValueError: If no curve has a finite value.
    """
    from math import isfinite

    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    points = {name: [p for p in pairs if isfinite(p[1])] for name, pairs in curves.items()}
    values = sorted(value for pairs in points.values() for _, value in pairs)
    if not values:
        raise ValueError(f"got curves {list(curves)}, expected one finite value or more")
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    axis = figure.subplots()
    for i, (name, pairs) in enumerate(points.items()):
        if pairs:
            style = {"linewidth": 1, "markersize": 3 + 2 * i, "label": name}
            axis.plot(*zip(*pairs, strict=True), "o-", **style)
    low, high = values[0], values[min(len(values) - 1, int(0.9 * len(values)))]
    margin = 0.05 * (high - low) or 0.5
    axis.set(xlabel="step", ylabel=label, ylim=(low - margin, high + margin))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, fontsize="small")
    figure.suptitle(title, fontsize=10)
    return figure
