"""Sheets: rows of small pictures with a label at the left, heads over columns, and captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100
_SIDE = 72  # pixels to which small pictures are enlarged, about
_WIDEST = 1300  # pixels of all pictures of a row
_GAP, _MARGIN = 4, 10
_LETTER, _LINE = 6.4, 16  # width and height of a letter of size 8, in pixels


class SheetRow(NamedTuple):
    """A row of a sheet.

    Attributes:
        label: What stands at its left, of one line or more; rows whose labels begin with another
            line than the row above are set apart.
        images: uint8 ``(N, C, H, W)`` with C = 1 or 3.
        captions: What stands over each of them, or nothing.
    """

    label: str
    images: Tensor
    captions: Sequence[str] = ()


def sheet_figure(rows: Sequence[SheetRow], title: str = "", heads: Sequence[str] = ()) -> Figure:
    """A figure with the rows of a sheet, in which every pixel is a square of whole pixels.

    Args:
        rows: The rows; all images have the same shape.
        title: Title over the sheet, of one line or more.
        heads: What stands over each column.

    Returns:
        A matplotlib figure, not attached to any window.

    Raises:
        ValueError: If there are no images, or they differ in shape or type.
    """
    from matplotlib.figure import Figure

    shapes = {(*row.images.shape[-2:], row.images.dtype) for row in rows if len(row.images)}
    if len(shapes) != 1 or next(iter(shapes))[2] != torch.uint8:
        raise ValueError(f"got images of {shapes or 'no shape'}, expected one shape of uint8")
    height, width, _ = shapes.pop()
    columns = max(len(row.images) for row in rows)
    scale = max(1, min(_SIDE // height, _WIDEST // (columns * width)))
    high, wide = height * scale + _GAP, width * scale + _GAP
    lines = [line for row in rows for line in row.label.split("\n")]
    left = int(_MARGIN + _LETTER * max(map(len, lines)) + 6)
    top = _MARGIN + _LINE * (title.count("\n") + 1 if title else 0) + (6 if title else 0)
    top += _LINE if heads else 0
    groups = [row.label.split("\n")[0] for row in rows]
    several = len(set(groups)) < len(rows)  # else each row would be set apart
    apart = [
        _MARGIN * (several and a != b) for a, b in zip(groups, [groups[0], *groups], strict=False)
    ]
    steps = [
        high + (_LINE if row.captions else 0) + space
        for row, space in zip(rows, apart, strict=True)
    ]
    longest = max(map(len, title.split("\n")))
    total = max(left + columns * wide, int(_LETTER * 1.15 * longest) + _MARGIN) + _MARGIN
    size = (total, top + sum(steps) + _MARGIN)
    figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI)

    def write(x: float, y: float, text: str, **style: object) -> None:
        settings = {"fontsize": 8, "va": "center", "linespacing": 1.2} | style
        figure.text(x / size[0], 1 - y / size[1], text, **settings)

    if title:
        write(_MARGIN, _MARGIN, title, va="top", fontsize=9)
    for j, head in enumerate(heads):
        write(left + (j + 0.5) * wide - _GAP / 2, top - _LINE / 2, head, ha="center")
    y = top
    for row, step, space in zip(rows, steps, apart, strict=True):
        middle = y + step - high / 2
        write(left - 6, middle, row.label, ha="right")
        for j, caption in enumerate(row.captions):
            write(
                left + (j + 0.5) * wide - _GAP / 2,
                y + space + _LINE / 2,
                caption,
                ha="center",
                fontsize=7,
            )
        for j, image in enumerate(row.images):
            pixels = image.expand(3, -1, -1).permute(1, 2, 0).cpu()
            pixels = pixels.repeat_interleave(scale, 0).repeat_interleave(scale, 1).numpy()
            bottom = size[1] - (y + step - _GAP)
            figure.figimage(pixels, left + j * wide, bottom, origin="upper")
        y += step
    return figure
