"""Tables of numbers between 0 and 1 as heat maps, with the numbers and their errors written in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELL = (1.15, 0.55)  # inches
_DPI = 130


class HeatTable(NamedTuple):
    """One table.

    Attributes:
        title: Over the table.
        rows: Names of the rows, from the top down.
        columns: Names of the columns.
        values: ``(rows, columns)``; NaN where there is none.
        errors: ``(rows, columns)``, their standard errors; NaN where there is none.
        notes: A line below each column, or empty.
    """

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Tensor
    errors: Tensor
    notes: Sequence[str] = ()


def heat_tables(tables: Sequence[HeatTable], title: str = "") -> Figure:
    """Tables one below another, in one scale of colours from 0 to 1.

    Args:
        tables: One or more.
        title: Over the figure.

    Returns:
        A matplotlib figure, not attached to any window.

    Raises:
        ValueError: If the names do not fit the numbers, or there is no table.
    """
    from matplotlib.figure import Figure

    for table in tables:
        expected = (len(table.rows), len(table.columns))
        if tuple(table.values.shape) != expected or table.errors.shape != table.values.shape:
            raise ValueError(
                f"got values of shape {tuple(table.values.shape)} and errors of shape "
                f"{tuple(table.errors.shape)}, expected {expected}"
            )
    if not tables:
        raise ValueError("got no table, expected one or more")
    width = max(len(table.columns) for table in tables) * _CELL[0] + 1.6
    heights = [len(table.rows) * _CELL[1] + 1.2 for table in tables]
    figure = Figure(figsize=(width, sum(heights) + 0.5), dpi=_DPI, layout="constrained")
    axes = figure.subplots(len(tables), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, table in zip(axes, tables, strict=True):
        numbers = table.values.double().numpy()
        image = axis.imshow(numbers, "YlGnBu", vmin=0, vmax=1, aspect="auto")
        for i, (values, errors) in enumerate(zip(table.values, table.errors, strict=True)):
            for j, (value, error) in enumerate(zip(values.tolist(), errors.tolist(), strict=True)):
                colour = "white" if value > 0.6 else "black"
                text = f"{value:.3f}" if value == value else "-"
                text += f"\n± {error:.3f}" if error == error else ""
                axis.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
        notes = table.notes or [""] * len(table.columns)
        pairs = zip(table.columns, notes, strict=True)
        names = [f"{name}\n{note}".rstrip() for name, note in pairs]
        axis.set_xticks(range(len(names)), names, fontsize=8)
        axis.set_yticks(range(len(table.rows)), table.rows, fontsize=8)
        axis.tick_params(length=0)
        axis.set_title(table.title, fontsize=9)
    bar = figure.colorbar(image, ax=list(axes), fraction=0.03, aspect=40)
    bar.ax.tick_params(labelsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
