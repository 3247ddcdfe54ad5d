"""Restored images in rows, with an outline of what was unknown."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rgflow.plotting.images import labelled_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREY = 128
"""The shade of unknown pixels."""


def restoration_figure(
    originals: Tensor, unknown: Tensor, restored: Mapping[str, Tensor], title: str = ""
) -> "Figure":
    """Originals, what is known of them, and what was made of that, one below the other.

    Args:
        originals: uint8 ``(N, C, L, L)`` with C = 1 or 3.
        unknown: ``(L, L)`` bool, outlined in all rows but the first.
        restored: For each label images like the originals.
        title: Title over the figure.

    Returns:
        A matplotlib figure, not attached to any window.
    """
    from matplotlib.collections import LineCollection

    known = torch.where(unknown, torch.tensor(GREY, dtype=torch.uint8), originals.cpu())
    rows = [originals, known, *restored.values()]
    figure = labelled_grid(rows, ["original", "known", *restored], title=title)
    lines = _outline(unknown)
    for axis in figure.axes[len(originals) :]:
        axis.add_collection(LineCollection(lines, colors="white", linewidths=0.6))
    return figure


def _outline(mask: Tensor) -> list[list[tuple[float, float]]]:
    """Edges between pixels of a mask and others, as lines between two points (x, y)."""
    height, width = mask.shape
    padded = torch.zeros(height + 2, width + 2, dtype=torch.bool)
    padded[1:-1, 1:-1] = mask
    lines = []
    for i, j in (padded[:-1] != padded[1:]).nonzero().tolist():  # between rows i - 1 and i
        lines.append([(j - 1.5, i - 0.5), (j - 0.5, i - 0.5)])
    for i, j in (padded[:, :-1] != padded[:, 1:]).nonzero().tolist():
        lines.append([(j - 0.5, i - 1.5), (j - 0.5, i - 0.5)])
    return lines
