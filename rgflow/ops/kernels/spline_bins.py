"""The bin of each element of a tile, and the position of the element in it.

All numbers of a tile are in the rows of one array with a constant stride: only then does the
compiler know that rows do not overlap, and vectorise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rgflow.ops.kernels.jit import inlined
from rgflow.ops.kernels.pointwise import exp, softplus

_ZERO, _ONE, _TWO, _FOUR = np.float32(0.0), np.float32(1.0), np.float32(2.0), np.float32(4.0)

# First rows of each quantity. Pairs of rows are for widths and heights, or for the lower and the
# upper end of the element's bin.
X, INSIDE, INDEX = 0, 1, 2  # the element, clamped to the interval, and the index of its bin
PASSED, PART = 3, 5  # softmax of the logits: sum over all bins below, and of its own bin
RAW_SLOPE = 7  # slopes at the ends of its bin, before the softplus
SUMS, TOP, TOTAL = 9, 11, 12
GRAD, OF_LOG = 13, 14  # gradients, or results
OF_START, OF_PART, MEAN, OF_RAW_SLOPE = 15, 17, 19, 21
FRACTIONS = 23  # 2 K, of widths and of heights; behind them 3 K - 1 raw parameters


class Settings(NamedTuple):
    """The numbers that all splines of a call share.

    Attributes:
        bins: K.
        bound: Half the length of the interval.
        least: Smallest width and height of a bin.
        min_slope: Smallest slope at a knot.
        shift: Added to raw slopes before the softplus.
        inverse: Whether the inverse function is computed.
    """

    bins: int
    bound: np.float32
    least: np.float32
    min_slope: np.float32
    shift: np.float32
    inverse: bool


@inlined
def locate(
    tile: np.ndarray, x: np.ndarray, raw: np.ndarray, begin: int, count: int, settings: Settings
) -> None:
    """Finds the bins of elements ``begin`` to ``begin + count``, and the fractions of all bins."""
    bins, bound, least = settings.bins, settings.bound, settings.least
    span = _TWO * bound - np.float32(bins) * least
    given = FRACTIONS + 2 * bins
    tile[X, :count] = x[begin : begin + count]
    for row in range(3 * bins - 1):
        tile[given + row, :count] = raw[row, begin : begin + count]
    for axis in range(2):
        for n in range(count):
            tile[TOP, n] = tile[given + axis * bins, n]
            tile[TOTAL, n] = _ZERO
        for k in range(1, bins):
            for n in range(count):
                logit, top = tile[given + axis * bins + k, n], tile[TOP, n]
                tile[TOP, n] = logit if logit > top else top
        for k in range(bins):
            for n in range(count):
                power = exp(tile[given + axis * bins + k, n] - tile[TOP, n])
                tile[FRACTIONS + axis * bins + k, n] = power
                tile[TOTAL, n] += power
        for n in range(count):
            tile[TOTAL, n] = _ONE / tile[TOTAL, n]
        for k in range(bins):
            for n in range(count):
                tile[FRACTIONS + axis * bins + k, n] *= tile[TOTAL, n]
        for n in range(count):
            tile[SUMS + axis, n] = _ZERO
            tile[PASSED + axis, n] = _ZERO
            tile[PART + axis, n] = tile[FRACTIONS + axis * bins, n]
    for n in range(count):
        v = tile[X, n]
        v = -bound if v < -bound else v
        tile[INSIDE, n] = bound if v > bound else v
        tile[INDEX, n] = _ZERO
        tile[RAW_SLOPE, n] = _ZERO
        tile[RAW_SLOPE + 1, n] = tile[given + 2 * bins, n]
    for k in range(1, bins):
        number = np.float32(k)
        lower = given + 2 * bins + k - 1
        upper = min(lower + 1, given + 3 * bins - 2)
        for n in range(count):  # reading all before the choice avoids a branch
            x_sum = tile[SUMS, n] + tile[FRACTIONS + k - 1, n]
            y_sum = tile[SUMS + 1, n] + tile[FRACTIONS + bins + k - 1, n]
            width, height = tile[FRACTIONS + k, n], tile[FRACTIONS + bins + k, n]
            below, above = tile[lower, n], tile[upper, n]
            index, raw_slope_0, raw_slope_1 = (
                tile[INDEX, n],
                tile[RAW_SLOPE, n],
                tile[RAW_SLOPE + 1, n],
            )
            passed_x, passed_y = tile[PASSED, n], tile[PASSED + 1, n]
            part_x, part_y = tile[PART, n], tile[PART + 1, n]
            at = y_sum if settings.inverse else x_sum
            is_here = tile[INSIDE, n] >= at * span + (number * least - bound)
            tile[SUMS, n], tile[SUMS + 1, n] = x_sum, y_sum
            tile[INDEX, n] = number if is_here else index
            tile[PASSED, n] = x_sum if is_here else passed_x
            tile[PASSED + 1, n] = y_sum if is_here else passed_y
            tile[PART, n] = width if is_here else part_x
            tile[PART + 1, n] = height if is_here else part_y
            tile[RAW_SLOPE, n] = below if is_here else raw_slope_0
            tile[RAW_SLOPE + 1, n] = above if is_here else raw_slope_1


@inlined
def in_bin(
    index: np.float32,
    inside: np.float32,
    passed: tuple[np.float32, np.float32],
    part: tuple[np.float32, np.float32],
    raw_slope: tuple[np.float32, np.float32],
    settings: Settings,
) -> tuple[np.float32, ...]:
    """The element's bin, and its position xi there: ``w, h, x_0, y_0, d_0, d_1, xi``.

    It takes numbers, not the array, whose references numba would count for each element.
    """
    bins, bound, least = settings.bins, settings.bound, settings.least
    span = _TWO * bound - np.float32(bins) * least
    w, h = part[0] * span + least, part[1] * span + least
    x0 = passed[0] * span + (index * least - bound)
    y0 = passed[1] * span + (index * least - bound)
    d0 = softplus(raw_slope[0] + settings.shift) + settings.min_slope
    d1 = softplus(raw_slope[1] + settings.shift) + settings.min_slope
    d0 = _ONE if index == _ZERO else d0
    d1 = _ONE if index == np.float32(bins - 1) else d1
    s, rise = h / w, inside - y0
    bend = d0 + d1 - _TWO * s
    b = h * d0 - rise * bend
    square = b * b + _FOUR * (h * (s - d0) + rise * bend) * (s * rise)
    root = _TWO * s * rise / (b + np.sqrt(_ZERO if square < _ZERO else square))
    xi = root if settings.inverse else (inside - x0) / w
    return w, h, x0, y0, d0, d1, xi
