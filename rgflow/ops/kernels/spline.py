"""Rational-quadratic splines on ``[-bound, bound]``, their inverses and their gradients.

The equations are those of `rgflow.ops.rational_quadratic_torch`. For the gradient only the inputs
are saved.
"""

from __future__ import annotations

import numpy as np

from rgflow.ops.kernels.jit import jit
from rgflow.ops.kernels.pointwise import log, sigmoid
from rgflow.ops.kernels.spline_bins import (
    FRACTIONS,
    GRAD,
    INDEX,
    INSIDE,
    MEAN,
    OF_LOG,
    OF_PART,
    OF_RAW_SLOPE,
    OF_START,
    PART,
    PASSED,
    RAW_SLOPE,
    Settings,
    X,
    in_bin,
    locate,
)
from rgflow.ops.kernels.tile import ROW, TILE

_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)


@jit
def rational_quadratic(
    x: np.ndarray,
    raw: np.ndarray,
    image: np.ndarray,
    log_slope: np.ndarray,
    settings: Settings,
    start: int,
    stop: int,
) -> None:
    """Computes the images and log-slopes of elements ``start`` to ``stop``.

    Args:
        x: ``(M,)``, the elements.
        raw: ``(3 K - 1, M)``: logits of widths and heights, slopes before the softplus.
        image: ``(M,)``, filled with the images.
        log_slope: ``(M,)``, filled with the logarithms of the slopes.
        settings: The numbers that all splines share.
        start: First element.
        stop: One past the last element.
    """
    tile = np.empty((FRACTIONS + 5 * settings.bins - 1, ROW), np.float32)
    for begin in range(start, stop, TILE):
        count = min(TILE, stop - begin)
        locate(tile, x, raw, begin, count, settings)
        for n in range(count):
            passed = tile[PASSED, n], tile[PASSED + 1, n]
            part = tile[PART, n], tile[PART + 1, n]
            raw_slope = tile[RAW_SLOPE, n], tile[RAW_SLOPE + 1, n]
            index, inside = tile[INDEX, n], tile[INSIDE, n]
            w, h, x0, y0, d0, d1, xi = in_bin(index, inside, passed, part, raw_slope, settings)
            s, product, rest = h / w, xi * (_ONE - xi), _ONE - xi
            denominator = s + (d0 + d1 - _TWO * s) * product
            numerator = d1 * xi * xi + _TWO * s * product + d0 * rest * rest
            ratio = s / denominator
            of_log = log(ratio * ratio * numerator)
            inside_image = (
                x0 + xi * w
                if settings.inverse
                else y0 + h * ((s * xi * xi + d0 * product) / denominator)
            )
            # outside of the interval the identity is exact, whatever rounding does in a bin
            x_n = tile[X, n]
            beyond = (x_n <= -settings.bound) | (x_n >= settings.bound)
            of_log = -of_log if settings.inverse else of_log
            tile[GRAD, n] = x_n if beyond else inside_image
            tile[OF_LOG, n] = _ZERO if beyond else of_log
        image[begin : begin + count] = tile[GRAD, :count]
        log_slope[begin : begin + count] = tile[OF_LOG, :count]


@jit
def rational_quadratic_vjp(
    x: np.ndarray,
    raw: np.ndarray,
    grad: np.ndarray,
    log_slope_grad: np.ndarray,
    grad_x: np.ndarray,
    grad_raw: np.ndarray,
    settings: Settings,
    start: int,
    stop: int,
) -> None:
    """The vjp of `rational_quadratic` for elements ``start`` to ``stop``.

    Args:
        x: ``(M,)``, the elements.
        raw: ``(3 K - 1, M)``, as for `rational_quadratic`.
        grad: ``(M,)``, gradient in the image.
        log_slope_grad: ``(M,)``, gradient in the log-slope.
        grad_x: ``(M,)``, filled with the gradient in x.
        grad_raw: ``(3 K - 1, M)``, filled with the gradient in ``raw``.
        settings: The numbers that all splines share.
        start: First element.
        stop: One past the last element.
    """
    bins = settings.bins
    span = _TWO * settings.bound - np.float32(bins) * settings.least
    last = np.float32(bins - 1)
    found = FRACTIONS + 2 * bins  # gradients replace the raw parameters
    tile = np.empty((FRACTIONS + 5 * bins - 1, ROW), np.float32)
    for begin in range(start, stop, TILE):
        count = min(TILE, stop - begin)
        locate(tile, x, raw, begin, count, settings)
        tile[GRAD, :count] = grad[begin : begin + count]
        tile[OF_LOG, :count] = log_slope_grad[begin : begin + count]
        for n in range(count):
            passed = tile[PASSED, n], tile[PASSED + 1, n]
            part = tile[PART, n], tile[PART + 1, n]
            raw_slope = tile[RAW_SLOPE, n], tile[RAW_SLOPE + 1, n]
            index, inside = tile[INDEX, n], tile[INSIDE, n]
            w, h, _, _, d0, d1, xi = in_bin(index, inside, passed, part, raw_slope, settings)
            s, product, rest = h / w, xi * (_ONE - xi), _ONE - xi
            bend = d0 + d1 - _TWO * s
            denominator = s + bend * product
            level = (s * xi * xi + d0 * product) / denominator
            numerator = d1 * xi * xi + _TWO * s * product + d0 * rest * rest
            ratio = s / denominator
            slope = ratio * ratio * numerator
            by_xi = d1 * xi + s * (rest - xi) - d0 * rest
            log_by_x = (by_xi / numerator - bend * (rest - xi) / denominator) * (_TWO / w)
            x_n, g, of_log = tile[X, n], tile[GRAD, n], tile[OF_LOG, n]
            if settings.inverse:
                by_x, of_x = -g, (g - of_log * log_by_x) / slope
                of_image, of_log = -of_x, -of_log
            else:
                by_x = g * slope + of_log * log_by_x
                of_x, of_image = by_x, g
            # outside of the interval the map is the identity, whatever the parameters are
            beyond = (x_n <= -settings.bound) | (x_n >= settings.bound)
            tile[GRAD, n] = g if beyond else of_x
            by_x = _ZERO if beyond else by_x
            of_image = _ZERO if beyond else of_image
            of_log = _ZERO if beyond else of_log
            # from here on gradients of the function itself, also for the inverse
            of_numerator = of_log / numerator
            of_denominator = of_log * (-_TWO) / denominator
            scaled = of_image * (s * w) / denominator
            less = _ONE - _TWO * product
            by_s = scaled * (xi * xi - level * less) + of_denominator * less
            by_s = (by_s + _TWO * (of_log / s + of_numerator * product)) / w
            by_d0 = (
                scaled * (_ONE - level) + of_denominator
            ) * product + of_numerator * rest * rest
            by_d1 = (of_denominator - scaled * level) * product + of_numerator * xi * xi
            start_x, start_y = -by_x * span, of_image * span
            part_x = -(by_x * xi + by_s * s) * span * part[0]
            part_y = (of_image * level + by_s) * span * part[1]
            tile[OF_START, n], tile[OF_START + 1, n] = start_x, start_y
            tile[OF_PART, n], tile[OF_PART + 1, n] = part_x, part_y
            tile[MEAN, n] = part_x + start_x * passed[0]
            tile[MEAN + 1, n] = part_y + start_y * passed[1]
            by_d0 = _ZERO if index == _ZERO else by_d0
            by_d1 = _ZERO if index == last else by_d1
            tile[OF_RAW_SLOPE, n] = by_d0 * sigmoid(raw_slope[0] + settings.shift)
            tile[OF_RAW_SLOPE + 1, n] = by_d1 * sigmoid(raw_slope[1] + settings.shift)
        grad_x[begin : begin + count] = tile[GRAD, :count]
        for axis in range(2):
            for k in range(bins):
                number = np.float32(k)
                for n in range(count):
                    at, below, own = (
                        tile[INDEX, n],
                        tile[OF_START + axis, n],
                        tile[OF_PART + axis, n],
                    )
                    below = below if number < at else _ZERO
                    own = own if number == at else _ZERO
                    share = tile[FRACTIONS + axis * bins + k, n]
                    tile[found + axis * bins + k, n] = (below - tile[MEAN + axis, n]) * share + own
        for k in range(bins - 1):
            number = np.float32(k)
            for n in range(count):
                at, lower, upper = tile[INDEX, n], tile[OF_RAW_SLOPE, n], tile[OF_RAW_SLOPE + 1, n]
                lower = lower if number == at - _ONE else _ZERO
                tile[found + 2 * bins + k, n] = lower + (upper if number == at else _ZERO)
        for row in range(3 * bins - 1):
            grad_raw[row, begin : begin + count] = tile[found + row, :count]
