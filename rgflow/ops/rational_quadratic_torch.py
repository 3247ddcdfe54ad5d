"""Rational-quadratic splines in operations of torch, with their gradient.

The axis of bins comes before those of the elements, so that operations run along memory. The
equations are those of `rgflow.bijectors.transforms.RationalQuadratic`; with ``P = xi (1 - xi)``

``y = y_0 + h n``, ``n = (s xi^2 + d_0 P) / D``, ``D = s + (d_0 + d_1 - 2 s) P``,
``dy/dx = (s / D)^2 M``, ``M = d_1 xi^2 + 2 s P + d_0 (1 - xi)^2``.

Reference: neural spline flows, arXiv:1906.04032.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.ops.kernels.constants import MIN_BIN, MIN_SLOPE, SHIFT


class SavedSpline(NamedTuple):
    """Saved tensors, of the shape ``(...)`` of x unless stated otherwise; K is the number of bins.

    Attributes:
        within: Whether the element is inside the interval, or nan.
        passed: ``(K - 1, ...)``, 1 for each inner knot at or below the element, else 0.
        bin: Index of the element's bin, ``(2, 1, ...)`` for `Tensor.gather`.
        part: Softmax of the logits for this bin, on both axes, ``(2, ...)``.
        fractions: The same for all bins, ``(2, K, ...)``.
        ends: Cumulative sums of the fractions, ``(2, K, ...)``.
        knots: Indices of the inner knots at both ends of the bin, ``(2, ...)``.
        is_free: 1 where that knot is an inner one, 0 at the ends of the interval, ``(2, ...)``.
        raw_slopes: Arguments of the softplus at both knots, ``(2, ...)``.
        xi: Position inside the bin, in [0, 1].
        w: Width of the bin.
        s: Height of the bin over its width.
        d0: Slope at the left end of the bin.
        d1: Slope at its right end.
        product: P.
        denominator: D.
        level: n.
        numerator: M.
        slope: ``dy/dx``.
    """

    within: Tensor
    passed: Tensor
    bin: Tensor
    part: Tensor
    fractions: Tensor
    ends: Tensor
    knots: Tensor
    is_free: Tensor
    raw_slopes: Tensor
    xi: Tensor
    w: Tensor
    s: Tensor
    d0: Tensor
    d1: Tensor
    product: Tensor
    denominator: Tensor
    level: Tensor
    numerator: Tensor
    slope: Tensor


def spline(
    x: Tensor, raw: Tensor, bins: int, bound: float, inverse: bool
) -> tuple[Tensor, Tensor, SavedSpline]:
    """The image, the log-slope and the saved tensors; x is ``(...)``, raw ``(3 K - 1, ...)``."""
    span, least = _interval(bins, bound)
    fractions = torch.softmax(raw[: 2 * bins].unflatten(0, (2, bins)), 1)
    ends = fractions.cumsum(1)  # (2, K, ...): widths and heights
    inside = x.clamp(-bound, bound)
    inner = ends[int(inverse), :-1] * span + _multiples(least, bins, x)
    # 0 and 1 as floats are much faster than bools
    passed = (inside.detach() + bound - inner.detach()).ge_(0)
    index = passed.sum(0).long()
    at_bin = index.expand(2, 1, *index.shape)
    part = fractions.gather(1, at_bin)[:, 0]
    size = part * span + least
    start = (ends.gather(1, at_bin)[:, 0] - part) * span + (index.to(x.dtype) * least - bound)
    (x0, y0), (w, h) = start, size
    knots = torch.stack((index - 1, index))  # at both ends of the bin, counting inner knots
    is_free = ((knots >= 0) & (knots < bins - 1)).to(x.dtype)
    knots = knots.clamp(0, bins - 2)
    raw_slopes = raw[2 * bins :].gather(0, knots) + SHIFT
    d0, d1 = (1 + is_free * (F.softplus(raw_slopes) - (1 - MIN_SLOPE))).unbind()

    s = h / w
    bend = d0 + d1 - 2 * s
    if inverse:
        rise = inside - y0
        b = h * d0 - rise * bend
        ac = (h * (s - d0) + rise * bend) * (s * rise)
        xi = 2 * s * rise / (b + (b * b + 4 * ac).clamp_min(0).sqrt())
    else:
        xi = (inside - x0) / w
    product, rest = xi * (1 - xi), 1 - xi
    denominator = s + bend * product
    level = (s * xi * xi + d0 * product) / denominator
    numerator = d1 * xi * xi + 2 * s * product + d0 * rest * rest
    ratio = s / denominator
    slope = ratio * ratio * numerator
    # outside of the interval the identity is exact, whatever rounding does in a narrow bin
    within = (x > -bound) & (x < bound) | x.isnan()
    image = torch.where(within, x0 + xi * w if inverse else y0 + h * level, x)
    log_slope = torch.where(within, slope.log(), 0)
    saved = SavedSpline(
        within=within,
        passed=passed,
        bin=at_bin,
        part=part,
        fractions=fractions,
        ends=ends,
        knots=knots,
        is_free=is_free,
        raw_slopes=raw_slopes,
        xi=xi,
        w=w,
        s=s,
        d0=d0,
        d1=d1,
        product=product,
        denominator=denominator,
        level=level,
        numerator=numerator,
        slope=slope,
    )
    return image, -log_slope if inverse else log_slope, saved


def spline_vjp(
    grad: Tensor,
    log_slope_grad: Tensor,
    saved: SavedSpline,
    bins: int,
    bound: float,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients in x and in the raw parameters.

    The gradients of the inverse follow from those of the function itself, F, and of ``G = ln F'``:
    ``x = F^-1(y)`` has ``dx = (dy - d_theta F) / F'`` and the log-slope ``-G``, both taken at x.
    """
    within, xi, w, s, d0, d1 = saved.within, saved.xi, saved.w, saved.s, saved.d0, saved.d1
    denominator, level, product = saved.denominator, saved.level, saved.product
    rest = 1 - xi
    tilt = (rest - xi) / denominator
    bend = d0 + d1 - 2 * s
    log_by_x = (d1 * xi + s * (rest - xi) - d0 * rest) / saved.numerator - bend * tilt
    log_by_x = log_by_x * (2 / w)
    inner_grad, of_log = grad * within, log_slope_grad * within
    if inverse:
        found = (grad - log_slope_grad * log_by_x) / saved.slope
        of_log, of_image, by_x = -of_log, -torch.where(within, found, 0), -inner_grad
    else:
        found = grad * saved.slope + log_slope_grad * log_by_x
        of_image, by_x = inner_grad, torch.where(within, found, 0)
    grad_x = torch.where(within, found, grad)
    # from here on gradients of F and G in the corner, the size and the slopes of the bin
    of_numerator = of_log / saved.numerator
    of_denominator = of_log * (-2) / denominator
    scaled = of_image * (s * w) / denominator
    less = 1 - 2 * product
    by_s = scaled * (xi * xi - level * less)
    by_s = by_s + 2 * (of_log / s + of_numerator * product) + of_denominator * less
    by_s = by_s / w
    by_d0 = (scaled * (1 - level) + of_denominator) * product + of_numerator * rest * rest
    by_d1 = (of_denominator - scaled * level) * product + of_numerator * xi * xi

    span, _ = _interval(bins, bound)
    part, fractions, at_bin = saved.part, saved.fractions, saved.bin
    start = torch.stack((-by_x, of_image)).mul_(span)
    size = torch.stack((-by_x * xi - by_s * s, of_image * level + by_s)).mul_(span * part)
    # d fraction_i / d logit_j = fraction_i (delta_ij - fraction_j); the corner is the sum of the
    # fractions of all bins below
    passed_part = saved.ends.gather(1, at_bin)[:, 0] - part
    mean = torch.addcmul(size, start, passed_part)
    grad_raw = grad.new_zeros(3 * bins - 1, *grad.shape)
    of_logits, of_slopes = grad_raw[: 2 * bins].unflatten(0, (2, bins)), grad_raw[2 * bins :]
    of_logits[:, :-1] = saved.passed * start[:, None]
    of_logits.sub_(mean[:, None]).mul_(fractions).scatter_add_(1, at_bin, size[:, None])
    of_softplus = torch.stack((by_d0, by_d1)).mul_(saved.is_free)
    of_raw = torch.ops.aten.softplus_backward(of_softplus, saved.raw_slopes, 1.0, 20.0)
    of_slopes.scatter_add_(0, saved.knots, of_raw)
    return grad_x, grad_raw


def _interval(bins: int, bound: float) -> tuple[float, float]:
    """The length that the fractions divide among the bins, and the smallest size of a bin."""
    least = 2 * bound * MIN_BIN
    return 2 * bound - bins * least, least


def _multiples(least: float, bins: int, x: Tensor) -> Tensor:
    """``least * (1 ... K - 1)`` along the axis of the inner knots."""
    counts = torch.arange(1, bins, device=x.device, dtype=x.dtype)
    return (counts * least).view(-1, *[1] * x.dim())
