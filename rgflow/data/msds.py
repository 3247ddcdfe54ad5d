"""MSDS1 and MSDS2: pictures of turned ellipses with known factors at known scales."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.data.tensor_cache import load_or_build
from rgflow.runtime.seeds import generator_for

CELL = 8
SPLITS = ("train", "validation", "test")
STAMPS_PER_DEGREE = 10
_LARGEST_ANGLE = 225  # MSDS2 turns by a base below 180 plus at most 45
_CHUNK = 1000  # images that share one random stream
_PIXELS_AT_ONCE = 64 * 32 * 32  # keeps the canvas of one composition step in the processor's cache
_RECIPE_VERSION = 1  # raise it when the images of a given seed change


class MSDS(NamedTuple):
    """Images of ellipses and the factors they were drawn from.

    Attributes:
        images: ``(N, 3, L, L)`` uint8.
        labels: ``(N, (L/8)**2, 6)`` float32, one row per cell in reading order: ``x, y, angle, R,
            G, B``. ``x`` and ``y`` are the centre of the ellipse in pixels (column and row; the
            centre of the first pixel is 0), ``angle`` is in degrees, counter-clockwise as seen,
            colours are in ``[0, 255]``.
    """

    images: Tensor
    labels: Tensor


def check_msds(kind: int, count: int, side: int, split: str) -> None:
    """Raises ``ValueError`` unless such a set can be drawn."""
    if kind not in (1, 2):
        raise ValueError(f"MSDS kind: got {kind!r}, expected 1 or 2")
    if count < 1:
        raise ValueError(f"count: got {count}, expected at least 1 image of MSDS")
    if side < CELL or side % CELL:
        raise ValueError(f"MSDS side: got {side}, expected a positive multiple of {CELL}")
    if split not in SPLITS:
        raise ValueError(f"MSDS split: got {split!r}, expected one of {', '.join(SPLITS)}")


def generate_msds(
    kind: int, count: int, side: int = 32, seed: int = 0, split: str = "train"
) -> MSDS:
    """Draws the first ``count`` images of MSDS1 or MSDS2.

    The image is cut into 8x8 cells. Each holds an ellipse that fills the cell's box from pixel (1,
    3) to (7, 5), turned about the cell's centre with bicubic resampling, moved by -1, 0 or +1
    pixel in both directions (clipped at the border) and pasted on black with its coverage as
    weight, cells in reading order. Angles are rounded to 0.1 degree for drawing (less than 0.004
    pixel at the tip of an ellipse).

    * ``kind=1`` (MSDS1): one base colour per image, each channel uniform in 32..223, each ellipse
      within +-32 of it; angles independent, uniform in [0, 180). Colour is the coarse factor,
      orientation the fine one.
    * ``kind=2`` (MSDS2): one base angle per image, uniform in [0, 180), plus uniform [0, 45) per
      ellipse; colours independent, uniform in 0..255. Orientation is the coarse factor, colour the
      fine one. The label is the angle by which the ellipse was turned, in [0, 225): it is not
      reduced, as the box is half a pixel off the cell's centre.

    Image ``i`` depends on ``(kind, side, seed, split, i)`` only, not on ``count``.

    Args:
        kind: 1 or 2.
        count: Number of images, any.
        side: Side ``L`` of the images in pixels, a multiple of 8.
        seed: Any integer.
        split: ``train``, ``validation`` or ``test``: independent streams.

    Raises:
        ValueError: If an argument is outside of these.

    Reference: RG-Flow, arXiv:2010.00029.
    """
    check_msds(kind, count, side, split)
    cells = (side // CELL) ** 2
    images = torch.empty(count, 3, side, side, dtype=torch.uint8)
    labels = torch.empty(count, cells, 6)
    step = max(1, _PIXELS_AT_ONCE // side**2)
    for start in range(0, count, _CHUNK):
        stop = min(start + _CHUNK, count)
        generator = generator_for("msds", kind, side, seed, split, start // _CHUNK)
        angles, colours, shifts = _draw_factors(kind, cells, generator)
        for low in range(start, stop, step):
            high = min(low + step, stop)
            part = slice(low - start, high - start)
            images[low:high] = _compose(angles[part], colours[part], shifts[part], side)
        kept = slice(stop - start)
        labels[start:stop] = _labels(angles[kept], colours[kept], shifts[kept], side)
    return MSDS(images, labels)


def load_msds(
    root: str | Path,
    kind: int,
    count: int,
    side: int = 32,
    seed: int = 0,
    split: str = "train",
) -> MSDS:
    """:func:`generate_msds` behind a checked file in the folder ``root`` (made if need be).

    Arguments and errors are those of :func:`generate_msds` and of
    :func:`rgflow.data.tensor_cache.load_or_build`.
    """
    check_msds(kind, count, side, split)
    path = Path(root) / f"msds{kind}-{split}-{count}x{side}-seed{seed}.cache"
    recipe = f"msds{kind} v{_RECIPE_VERSION} {split} {count} {side} {seed}"
    built = load_or_build(
        path, recipe, lambda: generate_msds(kind, count, side, seed, split)._asdict()
    )
    return MSDS(**built)


def _draw_factors(
    kind: int, cells: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Angles ``(N, cells)``, colours ``(N, cells, 3)``, shifts ``(N, cells, 2)`` of a chunk."""
    n = _CHUNK

    def integers(low: int, high: int, *shape: int) -> Tensor:  # both ends included
        return torch.randint(low, high + 1, shape, generator=generator)

    if kind == 1:
        angles = 180 * torch.rand(n, cells, generator=generator)
        colours = integers(32, 223, n, 1, 3) + integers(-32, 32, n, cells, 3)
    else:
        base = 180 * torch.rand(n, 1, generator=generator)
        angles = base + 45 * torch.rand(n, cells, generator=generator)
        colours = integers(0, 255, n, cells, 3)
    shifts = integers(-1, 1, n, cells, 2)  # column, row
    return angles, colours.float(), shifts


def _labels(angles: Tensor, colours: Tensor, shifts: Tensor, side: int) -> Tensor:
    """Rows ``x, y, angle, R, G, B`` from the factors."""
    index = torch.arange((side // CELL) ** 2)
    # Column, row of the cell's first pixel.
    corner = CELL * torch.stack(
        (index % (side // CELL), index // (side // CELL)), -1
    )  # column, row
    turn = angles * (math.pi / 180)
    # The box's centre is (1/2, 1/2) away from the cell's centre, about which it is turned.
    offset = torch.stack((turn.cos() + turn.sin(), turn.cos() - turn.sin()), -1) / 2
    centre = corner + shifts + (CELL - 1) / 2 + offset
    return torch.cat((centre, angles[..., None], colours), -1)


def _compose(angles: Tensor, colours: Tensor, shifts: Tensor, side: int) -> Tensor:
    """Pastes a stamp per cell, ``canvas += coverage * (colour - canvas)``; ``(N, 3, L, L)``."""
    across = side // CELL
    box = CELL + 2  # a cell and the pixel around it that a shift can reach
    angle_index = (angles * STAMPS_PER_DEGREE).round().long()
    shift_index = 3 * (shifts[..., 1] + 1) + shifts[..., 0] + 1
    coverage = ellipse_stamps()[angle_index, shift_index] / 255.0  # (N, cells, 10, 10)
    canvas = torch.zeros(len(angles), 3, side + 2, side + 2)
    for cell in range(across * across):
        row, column = CELL * (cell // across), CELL * (cell % across)
        window = canvas[:, :, row : row + box, column : column + box]
        window.lerp_(colours[:, cell, :, None, None], coverage[:, None, cell])
    return canvas[:, :, 1:-1, 1:-1].round().to(torch.uint8)


@lru_cache(maxsize=1)
def ellipse_stamps() -> Tensor:
    """Coverage of the turned, shifted ellipse, uint8 ``(angles, 9, 10, 10)``, shifts by rows."""
    import numpy as np
    from PIL import Image, ImageDraw

    flat = Image.new("L", (CELL, CELL), 0)
    ImageDraw.Draw(flat).ellipse((1, 3, 7, 5), fill=255)
    turned = [
        np.asarray(flat.rotate(i / STAMPS_PER_DEGREE, resample=Image.Resampling.BICUBIC))
        for i in range(_LARGEST_ANGLE * STAMPS_PER_DEGREE + 1)
    ]
    stamps = torch.from_numpy(np.stack(turned))
    shifted = torch.zeros(len(stamps), 9, CELL + 2, CELL + 2, dtype=torch.uint8)
    for row in range(3):
        for column in range(3):
            shifted[:, 3 * row + column, row : row + CELL, column : column + CELL] = stamps
    return shifted
