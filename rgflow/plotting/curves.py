"""Curves of a training."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves_figure(
    panels: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]], title: str = ""
) -> "Figure | None":
    """Numbers over the steps of a training, one above the other, for training and validation.

    Early values far above the later ones leave the picture, so that the end can be read. A number
    without a finite value has no panel, and without a panel there is no figure.

    Args:
        panels: What a number is, for its axis, and by name its curves: pairs of step and value.
        title: Title over the figure.
    """
    from math import isfinite

    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    finite = {
        label: {name: [p for p in pairs if isfinite(p[1])] for name, pairs in curves.items()}
        for label, curves in panels.items()
    }
    finite = {label: curves for label, curves in finite.items() if any(curves.values())}
    if not finite:
        return None
    names = list(dict.fromkeys(name for curves in finite.values() for name in curves))
    figure = Figure(figsize=(6, 1 + 3 * len(finite)), dpi=120, layout="constrained")
    axes = figure.subplots(len(finite), sharex=True, squeeze=False)[:, 0]
    for axis, (label, curves) in zip(axes, finite.items(), strict=True):
        for name, pairs in curves.items():
            if pairs:
                i = names.index(name)  # each name has its colour in all panels
                style = {"color": f"C{i}", "linewidth": 1, "markersize": 3 + 2 * i, "label": name}
                axis.plot(*zip(*pairs, strict=True), "o-", **style)
        values = sorted(value for pairs in curves.values() for _, value in pairs)
        low, high = values[0], values[min(len(values) - 1, int(0.9 * len(values)))]
        margin = 0.05 * (high - low) or 0.5
        axis.set(ylabel=label, ylim=(low - margin, high + margin))
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize="small")
    axes[-1].set_xlabel("step")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.suptitle(title, fontsize=10)
    return figure
