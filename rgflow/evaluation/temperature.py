"""The report, the figure and the table of a sheet of temperatures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from rgflow.analysis.temperature import TemperatureSheet
from rgflow.flow import Flow
from rgflow.plotting.images import sample_image, tile
from rgflow.plotting.sheets import SheetRow, sheet_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def temperature_report(sheet: TemperatureSheet) -> dict[str, Any]:
    """The temperatures of all cells and their shares of broken samples, in plain numbers."""
    cells = []
    for row, share, error in zip(
        sheet.temperatures.tolist(),
        sheet.broken.tolist(),
        sheet.broken_error.tolist(),
        strict=True,
    ):
        cells.append({"temperatures": row, "broken": share, "broken_error": error})
    return {"samples": sheet.count, "cells": cells}


def temperature_table(report: Mapping[str, Any]) -> str:
    """A report of `temperature_report` as text."""
    lines = [f"{report['table']}; {report['samples']} samples in each cell"]
    for cell in report["cells"]:
        temperatures = ", ".join(f"{t:g}" for t in cell["temperatures"])
        share = share_text(cell["broken"], cell["broken_error"])
        lines.append(f"temperatures by level {temperatures}{share and ': broken ' + share}")
    return "\n".join(lines)


def temperature_figure(
    flow: Flow, sheet: TemperatureSheet, labels: Sequence[str], heads: Sequence[str], title: str
) -> Figure:
    """The samples of all cells as a table of pictures.

    Args:
        flow: The flow.
        sheet: Its samples; the cells are in the order of the rows of the table.
        labels: One label for each row.
        heads: One head for each column.
        title: Title over the table.
    """
    images = sample_image(flow, sheet.samples.flatten(0, 1))  # fields have one scale of colours
    cells = [tile(part, len(part), gap=1) for part in images.split(sheet.samples.shape[1])]
    shares = [
        share_text(*pair) and f"broken {share_text(*pair)}"
        for pair in zip(sheet.broken.tolist(), sheet.broken_error.tolist(), strict=True)
    ]
    rows = []
    for i, label in enumerate(labels):
        part = slice(i * len(heads), (i + 1) * len(heads))
        captions = shares[part] if any(shares) else ()
        rows.append(SheetRow(label, torch.stack(cells[part]), captions))
    if any(shares):
        title += f"; broken samples of {sheet.count}"
    return sheet_figure(rows, title, heads)


def share_text(share: float, error: float) -> str:
    """A share and its error in percent; nothing if it was not counted."""
    return "" if math.isnan(share) else f"{100 * share:.1f} ± {100 * error:.1f} %"
