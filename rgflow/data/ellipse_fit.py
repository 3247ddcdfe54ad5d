"""The ellipses of MSDS measured from pictures: the drawing of `rgflow.data.msds` run backwards."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.data.msds import CELL, STAMPS_PER_DEGREE, ellipse_stamps

ROUNDS = 4  # fits of each ellipse; from the second on its neighbours are taken off first
CLEAR_SHADE = 24.0
"""Shade of an ellipse's brightest channel from which on its angle and centre can be seen."""
CLEAR_SHARE = 0.7
"""Least share of a cell's brightness that the ellipse explains if it has an angle and a centre."""
_BOX = CELL + 2  # a cell and the pixel around it that a shift can reach
_COARSE = 5 * STAMPS_PER_DEGREE  # steps of the search over angles, in stamps
_SHIFTS_KEPT = 3  # shifts whose best angle is refined
_FINE = (range(-30, 31, 5), range(-4, 5))  # stamps around the best one that are tried, in turn
_IMAGES_AT_ONCE = 128 * 32 * 32  # pixels of the images whose fits are in memory together


class Ellipses(NamedTuple):
    """The ellipse of each cell of images, cells in reading order.

    Attributes:
        colour: ``(N, cells, 3)``, R, G, B in shades, 0 to 255.
        angle: ``(N, cells)`` in degrees, in [0, 180), counter-clockwise as seen.
        centre: ``(N, cells, 2)``, column and row of the centre in pixels, as the labels of MSDS.
        misfit: ``(N, cells)``, root of the mean squared difference, over the pixels and channels
            of the cell, between the picture and the fitted drawing, in shades.
        is_clear: ``(N, cells)`` bool, whether angle and centre can be seen: the ellipse is not
            nearly black, and explains most of what is in its cell.
    """

    colour: Tensor
    angle: Tensor
    centre: Tensor
    misfit: Tensor
    is_clear: Tensor


@torch.no_grad()
def measure_ellipses(images: Tensor) -> Ellipses:
    r"""Fits to each cell of images the ellipse that MSDS would have drawn there.

    The picture of cell i is ``I = sum_j c_j a_j T_j``, with the colours ``c_j``, the coverages
    ``a_j`` of the turned and shifted ellipses, and ``T_j = prod (1 - a_k)`` over the ellipses that
    are pasted later. For given others the squared error is least for
    ``c = <a T, Y> / <a T, a T>``, where Y is the picture without the others, and for the coverage
    that makes ``|<a T, Y>|^2 / <a T, a T>`` largest: a matched filter, first on angles 5 degrees
    apart at all nine shifts, then in steps down to 0.1 degree.

    Args:
        images: uint8 ``(N, 3, L, L)``, L a multiple of 8.

    Raises:
        ValueError: For another shape or type.
    """
    side = images.shape[-1]
    is_image = images.ndim == 4 and images.shape[1] == 3 and images.shape[-2] == side
    if not is_image or images.dtype != torch.uint8 or side < CELL or side % CELL:
        raise ValueError(
            f"got images of shape {tuple(images.shape)} and type {images.dtype}, expected "
            f"(N, 3, L, L) of torch.uint8 with L a multiple of {CELL}"
        )
    parts = images.cpu().split(max(1, _IMAGES_AT_ONCE // side**2))
    fitted = [_fit(part.float()) for part in parts if len(part)]
    if not fitted:
        raise ValueError("got no images, expected one or more")
    return Ellipses(*map(torch.cat, zip(*fitted, strict=True)))


def labelled_ellipses(labels: Tensor) -> Ellipses:
    """The ellipses that the labels ``(N, cells, 6)`` of `MSDS` describe, all clear."""
    centre, angle, colour = labels.split([2, 1, 3], -1)
    angle = angle[..., 0].remainder(180)
    is_clear = torch.ones_like(angle, dtype=torch.bool)
    return Ellipses(colour, angle, centre, torch.zeros_like(angle), is_clear)


def angle_difference(a: Tensor, b: Tensor) -> Tensor:
    """Difference of two angles of ellipses in degrees, in [-90, 90): 180 degrees are nothing."""
    return (a - b + 90).remainder(180) - 90


class _Fit(NamedTuple):
    """Stamps of ellipses, ``(M,)`` each, their coverages ``(M, 100)`` and colours ``(M, 3)``."""

    angle: Tensor
    shift: Tensor
    coverage: Tensor
    colour: Tensor


def _fit(images: Tensor) -> Ellipses:
    count, _, side, _ = images.shape
    across = side // CELL
    canvas = F.pad(images, (1, 1, 1, 1))
    inside = F.pad(images.new_ones(1, 1, side, side), (1, 1, 1, 1))
    visible = _windows(inside).expand(count, across**2, 1, -1)  # nothing is pasted outside
    free = _windows(canvas)  # (N, cells, 3, 100)
    for _ in range(ROUNDS):
        fit = _best_stamps(free.flatten(0, 1), visible.flatten(0, 1)[:, 0])
        coverage = fit.coverage.view(count, across**2, 1, -1)
        visible = _windows(inside) * _transparency(coverage, side)
        own = fit.colour.view(count, across**2, 3, 1) * coverage * visible
        rest = canvas - _pasted(own, side)
        free = _windows(rest) + own
    errors = rest[..., 1:-1, 1:-1].square().mean(1)  # (N, L, L)
    power = images.square().mean(1)
    misfit, power = (_cell_mean(values, across) for values in (errors, power))
    colour = fit.colour.view(count, -1, 3)
    bright = colour.amax(-1) >= CLEAR_SHADE
    angle = fit.angle.view(count, -1) / STAMPS_PER_DEGREE
    return Ellipses(
        colour,
        angle.remainder(180),
        _centres(angle, fit.shift.view(count, -1), across),
        misfit.sqrt(),
        bright & (misfit <= (1 - CLEAR_SHARE) * power),
    )


def _best_stamps(target: Tensor, visible: Tensor) -> _Fit:
    """The best stamp for each of M windows ``(M, 3, 100)`` of which ``visible (M, 100)`` shows."""
    target = target * visible[:, None]
    weight = visible.square()
    coarse = _coverages()[::_COARSE]  # (angles, 9, 100)
    flat = coarse.flatten(0, 1)
    overlap = target @ flat.T  # (M, 3, stamps)
    score = overlap.square().sum(1) / (weight @ flat.square().T).clamp_min(1e-6)
    best, angle = score.unflatten(1, coarse.shape[:2]).max(1)  # (M, 9)
    shift = best.topk(_SHIFTS_KEPT).indices  # (M, S)
    angle = angle.gather(1, shift) * _COARSE
    for steps in _FINE:
        around = angle[..., None] + torch.tensor(steps)  # (M, S, tries)
        around = around.clamp(0, len(_coverages()) - 1)
        stamps = _coverages()[around, shift[..., None]]  # (M, S, tries, 100)
        score = _score(stamps.flatten(1, 2), target, weight).view(around.shape)
        best, index = score.max(-1)
        angle = around.gather(-1, index[..., None])[..., 0]
    winner = best.argmax(1, keepdim=True)
    angle, shift = angle.gather(1, winner)[:, 0], shift.gather(1, winner)[:, 0]
    coverage = _coverages()[angle, shift]  # (M, 100)
    norm = (coverage.square() * weight).sum(1, keepdim=True).clamp_min(1e-6)
    colour = (target @ coverage[..., None])[..., 0] / norm
    return _Fit(angle, shift, coverage, colour.clamp(0, 255))


def _score(stamps: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Squared error that each of the stamps ``(M, tries, 100)`` takes away, ``(M, tries)``."""
    overlap = target @ stamps.mT  # (M, 3, tries)
    norm = (stamps.square() @ weight[..., None])[..., 0]
    return overlap.square().sum(1) / norm.clamp_min(1e-6)


def _windows(canvas: Tensor) -> Tensor:
    """The window of each cell, ``(N, C, L + 2, L + 2) -> (N, cells, C, 100)``."""
    windows = canvas.unfold(2, _BOX, CELL).unfold(3, _BOX, CELL)  # (N, C, rows, columns, 10, 10)
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(1, 2).flatten(3)


def _pasted(windows: Tensor, side: int) -> Tensor:
    """The sum of the cells' windows, ``(N, cells, C, 100) -> (N, C, L + 2, L + 2)``."""
    columns = windows.permute(0, 2, 3, 1).flatten(1, 2)  # (N, C * 100, cells)
    return F.fold(columns, (side + 2, side + 2), (_BOX, _BOX), stride=CELL)


def _transparency(coverage: Tensor, side: int) -> Tensor:
    """The part of each cell's window ``(N, cells, 1, 100)`` that later pastes leave visible."""
    across = side // CELL
    left = coverage.new_ones(len(coverage), 1, side + 2, side + 2)
    seen = torch.empty_like(coverage)
    for cell in reversed(range(across**2)):
        row, column = CELL * (cell // across), CELL * (cell % across)
        window = left[:, 0, row : row + _BOX, column : column + _BOX]
        seen[:, cell, 0] = window.flatten(1)
        window.mul_(1 - coverage[:, cell, 0].view_as(window))
    return seen


def _cell_mean(values: Tensor, across: int) -> Tensor:
    """``(N, L, L)`` to the mean over each cell, ``(N, cells)``."""
    return values.unflatten(2, (across, CELL)).unflatten(1, (across, CELL)).mean((2, 4)).flatten(1)


def _centres(angle: Tensor, shift: Tensor, across: int) -> Tensor:
    """Centres ``(N, cells, 2)`` of ellipses turned by `angle` degrees, as in the labels."""
    cell = torch.arange(across**2)
    corner = CELL * torch.stack((cell % across, cell // across), -1)
    moved = torch.stack((shift % 3, shift // 3), -1) - 1
    turn = angle * (math.pi / 180)
    # the box's centre is (1/2, 1/2) away from the cell's centre, about which it is turned
    offset = torch.stack((turn.cos() + turn.sin(), turn.cos() - turn.sin()), -1) / 2
    return corner + moved + (CELL - 1) / 2 + offset


@lru_cache(maxsize=1)
def _coverages() -> Tensor:
    """Coverages of all stamps, float32 ``(angles, 9, 100)``."""
    return ellipse_stamps().flatten(2).float() / 255


def unclear_share(ellipses: Ellipses) -> Tensor:
    """The share of an image's cells that hold something else than an ellipse, ``(N,)``.

    Cells whose fitted ellipse is nearly black hold nothing that could be judged; they do not count
    as unclear.
    """
    is_dark = ellipses.colour.amax(-1) < CLEAR_SHADE
    return (~ellipses.is_clear & ~is_dark).float().mean(-1)
