"""Monotone rational-quadratic splines and their gradient, written out.

Autograd runs some hundred and fifty small operations for one spline and keeps as many tensors;
the gradient here needs a third of them. Bins are the first axis of all tensors, so that every
pass runs along memory. In a bin that starts at ``(x_0, y_0)``, of width w, height h and slopes
``d_0, d_1`` at its ends, with ``xi = (x - x_0) / w``, ``s = h / w``, ``A = xi (1 - xi)``:

``y = y_0 + h n``, ``n = (s xi^2 + d_0 A) / D``, ``D = s + (d_0 + d_1 - 2 s) A``,
``dy/dx = (s / D)^2 M``, ``M = d_1 xi^2 + 2 s A + d_0 (1 - xi)^2``.

Reference: neural spline flows, arXiv:1906.04032.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.ops import rational_quadratic_numba as native_splines
from rgflow.ops.fused import are_plain, stand_for_many, wants_graph
from rgflow.ops.kernels.constants import MIN_BIN, MIN_SLOPE, SHIFT


def spline(
    x: Tensor, raw: Tensor, bins: int, bound: float, *, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """A spline on ``[-bound, bound]`` with slope 1 at the ends, or its inverse; outside, ``x``.

    Args:
        x: ``(...)``.
        raw: ``(3 K - 1, ...)``: K logits of widths, K of heights, K - 1 slopes between bins before
            the softplus; zeros give the identity.
        bins: K.
        bound: Half the interval's length.
        inverse: Whether to apply the inverse function.

    Returns:
        The image and the logarithm of the slope of the function just applied, both like x.

    >>> x = torch.tensor([-5.0, 0.3, 2.0])
    >>> bool(torch.allclose(spline(x, torch.zeros(11, 3), 4, 4.0)[0], x))
    True
    """
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return evaluate(x, raw, bins, bound, inverse=inverse)[:2]
    return _Spline.apply(x, raw, bins, bound, inverse)


class _Spline(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, raw: Tensor, bins: int, bound: float, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        image, log_slope, kept = evaluate(x, raw, bins, bound, inverse=inverse)
        ctx.save_for_backward(x, raw, *kept)
        ctx.settings = bins, bound, inverse
        return image, log_slope

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, raw, *kept = ctx.saved_tensors
        bins, bound, inverse = ctx.settings
        if torch.is_grad_enabled():
            outputs = evaluate(x, raw, bins, bound, inverse=inverse)[:2]
            found = torch.autograd.grad(outputs, (x, raw), grads, create_graph=True)
        else:
            found = pull_back(*grads, kept, bins, bound, inverse=inverse)
        return *found, None, None, None


def evaluate(
    x: Tensor, raw: Tensor, bins: int, bound: float, *, inverse: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """`spline` without a gradient of its own, and beside its results what `pull_back` needs."""
    if bins < 2 or raw.shape != (3 * bins - 1, *x.shape):
        raise ValueError(
            f"got parameters {tuple(raw.shape)} for {bins} bins and elements {tuple(x.shape)}, "
            f"expected {(3 * bins - 1, *x.shape)} and at least 2 bins"
        )
    is_native = are_plain(x, raw) and not wants_graph(x, raw)
    how = native_splines.evaluate if is_native else _evaluate
    return how(x, raw, bins, bound, inverse=inverse)


def _evaluate(
    x: Tensor, raw: Tensor, bins: int, bound: float, *, inverse: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The same in plain operations."""
    span, least = _interval(bins, bound)
    fractions = torch.softmax(raw[: 2 * bins].unflatten(0, (2, bins)), 1)
    ends = fractions.cumsum(1)  # (2, K, ...): widths and heights
    inside = x.clamp(-bound, bound)
    inner = ends[int(inverse), :-1] * span + _multiples(least, bins, x)
    passed = (inside.detach() + bound - inner.detach()).ge_(0)  # as 0 and 1, much faster
    index = passed.sum(0).long()
    here = index.expand(2, 1, *index.shape)
    part = fractions.gather(1, here)[:, 0]
    size = part * span + least
    start = (ends.gather(1, here)[:, 0] - part) * span + (index.to(x.dtype) * least - bound)
    (x0, y0), (w, h) = start, size
    knots = torch.stack((index - 1, index))  # at both ends of the bin, the ends left out
    free = ((knots >= 0) & (knots < bins - 1)).to(x.dtype)
    knots = knots.clamp(0, bins - 2)
    ajar = raw[2 * bins :].gather(0, knots) + SHIFT
    d0, d1 = (1 + free * (F.softplus(ajar) - (1 - MIN_SLOPE))).unbind()

    s = h / w
    bend = d0 + d1 - 2 * s
    if inverse:
        rise = inside - y0
        b = h * d0 - rise * bend
        ac = (h * (s - d0) + rise * bend) * (s * rise)
        xi = 2 * s * rise / (b + (b * b + 4 * ac).clamp_min(0).sqrt())
    else:
        xi = (inside - x0) / w
    bow, rest = xi * (1 - xi), 1 - xi
    below = s + bend * bow
    level = (s * xi * xi + d0 * bow) / below
    bent = d1 * xi * xi + 2 * s * bow + d0 * rest * rest
    ratio = s / below
    slope = ratio * ratio * bent
    # beyond the interval nothing is left to rounding: the end of a narrow bin may be far off
    within = (x > -bound) & (x < bound) | x.isnan()
    image = torch.where(within, x0 + xi * w if inverse else y0 + h * level, x)
    log_slope = torch.where(within, slope.log(), 0)
    kept = [within, passed, here, part, fractions, ends, knots, free, ajar]
    kept += [xi, w, s, d0, d1, bow, below, level, bent, slope]
    return image, -log_slope if inverse else log_slope, kept


def pull_back(
    grad: Tensor,
    log_slope_grad: Tensor,
    kept: list[Tensor],
    bins: int,
    bound: float,
    *,
    inverse: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of `evaluate` in x and in the raw parameters.

    Those of the inverse are the ones of the function itself, F with ``G = ln F'``, at the same
    point: ``x = F^-1(y)`` has ``dx = (dy - d_theta F) / F'``, and its log-slope is ``-G``.

    Args:
        grad: Gradient of the image.
        log_slope_grad: Gradient of the logarithm of the slope, of a shape that broadcasts.
        kept: As `evaluate` returned it.
        bins: As given to it.
        bound: As given to it.
        inverse: As given to it.
    """
    if len(kept) == 2:  # the arguments
        if not stand_for_many((grad, log_slope_grad)):
            return native_splines.pull_back(
                grad, log_slope_grad, kept, bins, bound, inverse=inverse
            )
        kept = _evaluate(*kept, bins, bound, inverse=inverse)[2]
    within, passed, here, part, fractions, ends, knots, free, ajar = kept[:9]
    xi, w, s, d0, d1, bow, below, level, bent, slope = kept[9:]
    rest = 1 - xi
    tilt = (rest - xi) / below
    bend = d0 + d1 - 2 * s
    log_by_x = (d1 * xi + s * (rest - xi) - d0 * rest) / bent - bend * tilt
    log_by_x = log_by_x * (2 / w)
    inner_grad, of_log = grad * within, log_slope_grad * within
    if inverse:
        found = (grad - log_slope_grad * log_by_x) / slope
        of_log, of_image, by_x = -of_log, -torch.where(within, found, 0), -inner_grad
    else:
        found = grad * slope + log_slope_grad * log_by_x
        of_image, by_x = inner_grad, torch.where(within, found, 0)
    grad_x = torch.where(within, found, grad)
    # from here on of F, of G, and by what the bin and its slopes are
    of_bent = of_log / bent
    of_below = of_log * (-2) / below
    scaled = of_image * (s * w) / below
    less = 1 - 2 * bow
    by_s = scaled * (xi * xi - level * less) + 2 * (of_log / s + of_bent * bow) + of_below * less
    by_s = by_s / w
    by_d0 = (scaled * (1 - level) + of_below) * bow + of_bent * rest * rest
    by_d1 = (of_below - scaled * level) * bow + of_bent * xi * xi

    span, _ = _interval(bins, bound)
    start = torch.stack((-by_x, of_image)).mul_(span)
    size = torch.stack((-by_x * xi - by_s * s, of_image * level + by_s)).mul_(span * part)
    # d fraction_i / d logit_j = fraction_i (delta_ij - fraction_j), and bins below count whole
    passed_part = ends.gather(1, here)[:, 0] - part
    mean = torch.addcmul(size, start, passed_part)
    grad_raw = grad.new_zeros(3 * bins - 1, *grad.shape)
    of_logits, of_slopes = grad_raw[: 2 * bins].unflatten(0, (2, bins)), grad_raw[2 * bins :]
    of_logits[:, :-1] = passed * start[:, None]
    of_logits.sub_(mean[:, None]).mul_(fractions).scatter_add_(1, here, size[:, None])
    by_ajar = torch.stack((by_d0, by_d1)).mul_(free)
    by_ajar = torch.ops.aten.softplus_backward(by_ajar, ajar, 1.0, 20.0)
    of_slopes.scatter_add_(0, knots, by_ajar)
    return grad_x, grad_raw


def _interval(bins: int, bound: float) -> tuple[float, float]:
    """What the fractions divide, and the least size of a bin."""
    least = 2 * bound * MIN_BIN
    return 2 * bound - bins * least, least


def _multiples(least: float, bins: int, x: Tensor) -> Tensor:
    """``least * (1 ... K - 1)`` along the axis of the inner knots."""
    counts = torch.arange(1, bins, device=x.device, dtype=x.dtype)
    return (counts * least).view(-1, *[1] * x.dim())
