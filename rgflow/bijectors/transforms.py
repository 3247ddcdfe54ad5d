"""Elementwise maps for couplings: invertible functions of one number, with parameters.

To add one, derive a class from `Transform` with ``parameters_per_entry``, ``forward`` and
``inverse``. Nothing else is needed to train and to sample a coupling with it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.ops import FastAffine, FastSpline
from rgflow.ops.contract import HasFasterWay
from rgflow.ops.kernels.constants import MIN_BIN, MIN_SLOPE, SHIFT


class Transform(HasFasterWay, ABC):
    """An invertible function of one number, ``b -> f(b; theta)``, with the log of its slope.

    Both directions take entries ``b`` of any shape ``(...)`` and parameters ``theta`` of shape
    ``(P, ...)``, and return the image and ``ln |d image / d b|`` of the direction just applied,
    both of the shape of b. Parameters of zero, which new conditioners give, should make f the
    identity or close to it.

    Attributes:
        parameters_per_entry: P, the number of parameters of each entry.
    """

    parameters_per_entry: int

    @abstractmethod
    def forward(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """``f(b; theta)`` and ``ln |f'(b; theta)|``."""

    @abstractmethod
    def inverse(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` with ``f(x; theta) = b``, and ``-ln |f'(x; theta)|``."""


class Affine(Transform):
    """``f(b) = b exp(s) + t`` with ``s = scale_bound tanh(raw / 2)``; parameters ``raw, t``.

    As s is bounded, neither direction can overflow.

    Args:
        scale_bound: Largest absolute log-scale, in nats.

    Raises:
        ValueError: If the bound is not positive and finite.

    Reference: Real NVP, arXiv:1605.08803.

    >>> Affine().forward(torch.ones(3), torch.zeros(2, 3))[0]
    tensor([1., 1., 1.])
    """

    parameters_per_entry = 2

    def __init__(self, scale_bound: float = 2.0) -> None:
        if not 0 < scale_bound < math.inf:
            raise ValueError(f"scale_bound: got {scale_bound}, expected a positive finite number")
        self.scale_bound = scale_bound
        self._fast = FastAffine(scale_bound)

    @property
    def fast(self) -> FastAffine:
        """The same transform with a hand-written gradient."""
        return self._fast

    def forward(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """``b exp(s) + t`` and s."""
        raw, shift = theta
        log_scale = self.scale_bound * torch.tanh(raw / 2)
        return b * log_scale.exp() + shift, log_scale

    def inverse(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """``(b - t) exp(-s)`` and -s."""
        raw, shift = theta
        log_scale = self.scale_bound * torch.tanh(raw / 2)
        return (b - shift) * torch.exp(-log_scale), -log_scale


class RationalQuadratic(Transform):
    """A monotone rational-quadratic spline on ``[-bound, bound]``, the identity outside.

    K bins lie between K + 1 knots, from ``(-bound, -bound)`` to ``(bound, bound)``. A bin that
    begins at ``(x_0, y_0)`` has the width w, the height h and the slopes ``d_0, d_1`` at its ends.
    With ``xi = (x - x_0) / w`` and ``s = h / w``,

    ``f(x) = y_0 + h (s xi^2 + d_0 xi (1 - xi)) / D``,
    ``f'(x) = s^2 (d_1 xi^2 + 2 s xi (1 - xi) + d_0 (1 - xi)^2) / D^2``,
    ``D = s + (d_0 + d_1 - 2 s) xi (1 - xi)``.

    The ``3 K - 1`` parameters of an entry are K logits of the widths, K logits of the heights, and
    the slopes at the K - 1 inner knots before a softplus. At both ends of the interval the slope
    is 1.

    Args:
        bins: K, at least 2.
        bound: Half the length of the interval.

    Raises:
        ValueError: For fewer than 2 bins, or a bound that is not positive and finite.

    Reference: neural spline flows, arXiv:1906.04032.

    >>> x = torch.tensor([-5.0, 0.3, 2.0])
    >>> bool(torch.allclose(RationalQuadratic(4).forward(x, torch.zeros(11, 3))[0], x))
    True
    """

    def __init__(self, bins: int = 8, bound: float = 4.0) -> None:
        if bins < 2:
            raise ValueError(f"bins: got {bins}, expected at least 2")
        if not 0 < bound < math.inf:
            raise ValueError(f"bound: got {bound}, expected a positive finite number")
        self.bins, self.bound = bins, bound
        self.parameters_per_entry = 3 * bins - 1
        self._fast = FastSpline(bins, bound)

    @property
    def fast(self) -> FastSpline:
        """The same transform with a hand-written gradient."""
        return self._fast

    def forward(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """``f(b)`` and ``ln f'(b)``."""
        return self._evaluate(b, theta, inverse=False)

    def inverse(self, b: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        """The root ``x`` of ``f(x) = b``, which solves a quadratic equation, and ``-ln f'(x)``."""
        return self._evaluate(b, theta, inverse=True)

    def _evaluate(self, b: Tensor, theta: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        inside = b.clamp(-self.bound, self.bound)
        x_knots, y_knots, slopes = self._knots(theta)  # (K + 1, ...) each
        inner = (y_knots if inverse else x_knots)[1:-1]
        bin_of = (inside.detach() >= inner.detach()).sum(0, keepdim=True)
        x0, y0, d0 = (t.gather(0, bin_of)[0] for t in (x_knots, y_knots, slopes))
        x1, y1, d1 = (t.gather(0, bin_of + 1)[0] for t in (x_knots, y_knots, slopes))
        w, h = x1 - x0, y1 - y0
        s = h / w
        bend = d0 + d1 - 2 * s
        if inverse:
            # the root of a quadratic equation in xi, in the form without cancellation
            rise = inside - y0
            b_root = h * d0 - rise * bend
            discriminant = b_root**2 + 4 * (h * (s - d0) + rise * bend) * s * rise
            xi = 2 * s * rise / (b_root + discriminant.clamp_min(0).sqrt())
        else:
            xi = (inside - x0) / w
        product = xi * (1 - xi)
        denominator = s + bend * product
        image = x0 + xi * w if inverse else y0 + h * (s * xi**2 + d0 * product) / denominator
        numerator = d1 * xi**2 + 2 * s * product + d0 * (1 - xi) ** 2
        log_slope = 2 * torch.log(s / denominator) + numerator.log()
        # outside of the interval the identity is exact; nan stays nan
        outside = (b <= -self.bound) | (b >= self.bound)
        image = torch.where(outside, b, image)
        log_slope = torch.where(outside, 0, log_slope)
        return image, -log_slope if inverse else log_slope

    def _knots(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Positions of the knots on both axes, and the slopes there, ``(K + 1, ...)`` each."""
        bins = self.bins
        if theta.shape[0] != self.parameters_per_entry:
            raise ValueError(
                f"got parameters {tuple(theta.shape)} for {bins} bins, "
                f"expected {self.parameters_per_entry} along the first axis"
            )
        ends = torch.full_like(theta[:1], -self.bound)
        sizes = MIN_BIN + (1 - bins * MIN_BIN) * theta[: 2 * bins].unflatten(0, (2, bins)).softmax(
            1
        )
        x_knots, y_knots = (
            torch.cat((ends, 2 * self.bound * part.cumsum(0) - self.bound)) for part in sizes
        )
        inner = MIN_SLOPE + F.softplus(theta[2 * bins :] + SHIFT)  # 1 where the parameter is 0
        one = torch.ones_like(theta[:1])
        return x_knots, y_knots, torch.cat((one, inner, one))
