"""Figures of residual mutual information between latents."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLOOR = 1e-5
"""Smallest information, in nats, that the logarithmic scales of the figure tell from nothing."""


class DependenceTable(NamedTuple):
    """What one panel shows of one kind of dependence.

    Attributes:
        matrix: Mean information of neighbouring latents by level, ``(levels, levels)`` nats.
        error: Its standard errors.
        curves: For each level distances, informations and errors, each ``(k,)``.
    """

    matrix: Tensor
    error: Tensor
    curves: Sequence[tuple[Tensor, Tensor, Tensor]]


def independence_figure(
    tables: Mapping[str, Mapping[str, DependenceTable]], title: str = ""
) -> "Figure":
    """Information between levels and against distance, a row for each flow.

    Matrices have one scale of colours, and curves one scale of information, for all flows.

    Args:
        tables: By the name of the flow, and by the kind of dependence.
        title: Title over the figure.

    Raises:
        ValueError: If there is no flow, or nothing to show of one.
    """
    from matplotlib.figure import Figure

    if not tables or not all(tables.values()):
        raise ValueError(f"got tables of {list(tables)}, expected one or more for every flow")
    kinds = max(len(one) for one in tables.values())
    figure = Figure(figsize=(8.0 * kinds, 3.4 * len(tables) + 0.5), dpi=110, layout="constrained")
    figure.suptitle(title)
    rows = figure.subplots(len(tables), 2 * kinds, squeeze=False)
    values = [t.matrix[t.matrix.isfinite()] for one in tables.values() for t in one.values()]
    top = max(float(torch.cat(values).max()), 10 * FLOOR)
    for row, (name, one) in zip(rows, tables.items(), strict=True):
        for axis in row[2 * len(one) :]:
            axis.set_visible(False)
        for place, (kind, table) in enumerate(one.items()):
            pair = row[2 * place : 2 * place + 2]
            _draw_matrix(pair[0], table, top)
            _draw_curves(pair[1], table, top)
            pair[0].set_title(f"{name}\n{kind}: neighbouring latents", fontsize=9)
            pair[1].set_title(f"{kind}: within a level", fontsize=9)
    return figure


def _draw_matrix(axis: "Axes", table: DependenceTable, top: float) -> None:
    from matplotlib.colors import LogNorm

    shown = table.matrix.clamp_min(FLOOR)
    picture = axis.imshow(1e3 * shown.numpy(), norm=LogNorm(1e3 * FLOOR, 1e3 * top), cmap="Blues")
    axis.figure.colorbar(picture, ax=axis, label="1e-3 nats", shrink=0.7)
    levels = len(shown)
    for i in range(levels):
        for j in range(levels):
            value, error = 1e3 * float(table.matrix[i, j]), 1e3 * float(table.error[i, j])
            text = "-" if value != value else f"{value:.2f}"
            text += f"\n± {error:.2f}" if error == error else ""
            is_dark = float(shown[i, j]) > (FLOOR * top) ** 0.5 * 3
            axis.text(
                j, i, text, ha="center", va="center", fontsize=8, color="w" if is_dark else "k"
            )
    axis.set(
        xticks=range(levels),
        yticks=range(levels),
        xlabel="level",
        ylabel="level",
    )


def _draw_curves(axis: "Axes", table: DependenceTable, top: float) -> None:
    for level, (distance, information, error) in enumerate(table.curves):
        if not len(distance):
            continue
        # the same place has no logarithm: it stands left of the neighbours
        place = torch.where(distance == 0, 0.5, distance.double()) * 1.04**level
        axis.errorbar(
            place.numpy(),
            information.numpy(),
            error.numpy(),
            marker="o",
            markersize=3,
            linewidth=1,
            capsize=2,
            label=str(level),
        )
    axis.axhline(0, color="0.6", linewidth=0.8)
    axis.set_xscale("log", base=2)
    axis.minorticks_off()
    axis.set_yscale("symlog", linthresh=FLOOR, linscale=0.5)
    axis.set_ylim(-3 * FLOOR, 10 * top)
    farthest = max((float(curve[0].max()) for curve in table.curves if len(curve[0])), default=1)
    ticks = [2**i for i in range(max(1, round(farthest)).bit_length())]
    axis.set_xticks([0.5, *ticks], labels=["same\nsite", *map(str, ticks)])
    axis.set(xlabel="distance in spacings of the level", ylabel="nats")
    axis.grid(alpha=0.3)
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.08), "ncols": len(table.curves)}
    axis.legend(
        title="level",
        frameon=False,
        fontsize="small",
        title_fontsize="small",
        columnspacing=1,
        handlelength=1,
        **above,
    )
