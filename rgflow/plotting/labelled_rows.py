"""Rows of images with a label on the left of each, drawn pixel by pixel and hence quickly."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.plotting.images import tile

LEAST_SIDE = 256
"""Pixels of the shorter side of a picture, at least: small images are enlarged."""
_GROUND, _INK, _LETTERS, _ROOM = 255, 0, 14, 8


def enlarged_tile(images: Tensor, columns: int) -> Tensor:
    """`tile` with every pixel so large that no side of the picture is shorter than `LEAST_SIDE`.

    Args:
        images: uint8 ``(N, C, H, W)`` with C = 1 or 3.
        columns: Images in a row.

    Returns:
        uint8 ``(3, height, width)``.

    >>> enlarged_tile(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), columns=2).shape
    torch.Size([3, 262, 262])
    """
    rows = -(-len(images) // columns)
    shorter = min(rows * images.shape[-2], columns * images.shape[-1])
    return tile(images, columns, scale=-(-LEAST_SIDE // shorter))


def labelled_rows(rows: Sequence[Tensor], labels: Sequence[str]) -> Tensor:
    """A picture of rows of images, with a label on the left of each row.

    Args:
        rows: For each row its images, uint8 ``(N, C, H, W)``, of the same shape.
        labels: One label for each row.

    Returns:
        uint8 ``(3, height, width)``, no side shorter than `LEAST_SIDE`.

    Raises:
        ValueError: If there are other numbers of rows and labels.
    """
    from PIL import Image, ImageDraw, ImageFont

    if len(rows) != len(labels):
        raise ValueError(f"got {len(labels)} labels, expected one for each of {len(rows)} rows")
    picture = enlarged_tile(torch.cat([row.cpu() for row in rows]), len(rows[0]))
    height = picture.shape[1]
    font = ImageFont.load_default(_LETTERS)
    width = max(round(font.getlength(label)) for label in labels) + 2 * _ROOM
    margin = Image.new("L", (width, height), _GROUND)
    pen = ImageDraw.Draw(margin)
    for i, label in enumerate(labels):
        middle = (i + 0.5) * height / len(rows)
        pen.text((width - _ROOM, middle), label, _INK, font, anchor="rm")
    pixels = torch.frombuffer(bytearray(margin.tobytes()), dtype=torch.uint8)
    return torch.cat((pixels.view(1, height, width).expand(3, -1, -1), picture), -1)
