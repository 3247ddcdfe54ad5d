"""Rational-quadratic splines and the coupling made of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.coupling import Coupling

MIN_BIN = 1e-3  # smallest bin, as a fraction of the whole interval
MIN_SLOPE = 1e-3


class Knots(NamedTuple):
    """Knots of monotone splines: positions ``(N, K + 1, ...)`` on both axes and slopes."""

    x: Tensor
    y: Tensor
    slope: Tensor


def knots(parameters: Tensor, bins: int, bound: float) -> Knots:
    """Turns ``(N, 3 K - 1, ...)`` numbers into knots on ``[-bound, bound]`` with end slopes 1.

    Zero parameters give the identity.
    """
    widths, heights, slopes = parameters.split([bins, bins, bins - 1], 1)

    def positions(raw: Tensor) -> Tensor:
        fractions = MIN_BIN + (1 - MIN_BIN * bins) * torch.softmax(raw, 1)
        inner = fractions[:, :-1].cumsum(1) * (2 * bound) - bound
        end = torch.full_like(inner[:, :1], bound)
        return torch.cat([-end, inner, end], 1)

    shift = math.log(math.expm1(1 - MIN_SLOPE))
    one = torch.ones_like(slopes[:, :1])
    slope = torch.cat([one, MIN_SLOPE + F.softplus(slopes + shift), one], 1)
    return Knots(positions(widths), positions(heights), slope)


def spline(x: Tensor, at: Knots, *, inverse: bool = False) -> tuple[Tensor, Tensor]:
    """Monotone rational-quadratic spline, the identity outside its interval.

    With ``xi = (x - x_k) / w`` and ``s = h / w`` in the bin of width w, height h, slopes d_0, d_1:
    ``y = y_k + h (s xi^2 + d_0 xi (1 - xi)) / (s + (d_0 + d_1 - 2 s) xi (1 - xi))``.

    Args:
        x: ``(N, ...)``.
        at: Knots with one more axis, ``(N, K + 1, ...)``.
        inverse: Whether to apply the inverse function.

    Returns:
        The image and the logarithm of the slope of the function just applied, both shaped like x.

    Reference: arXiv:1906.04032.
    """
    source = at.y if inverse else at.x
    index = (x[:, None] >= source[:, 1:-1]).sum(1, keepdim=True)  # (N, 1, ...)
    inside = (x > source[:, 0]) & (x < source[:, -1])

    def pick(values: Tensor, shift: int = 0) -> Tensor:
        return values.gather(1, index + shift)[:, 0]

    x0, x1, y0, y1 = pick(at.x), pick(at.x, 1), pick(at.y), pick(at.y, 1)
    d0, d1 = pick(at.slope), pick(at.slope, 1)
    width, height = x1 - x0, y1 - y0
    s = height / width
    bend = d0 + d1 - 2 * s
    if inverse:
        rise = torch.where(inside, x - y0, 0.5 * height)
        a = height * (s - d0) + rise * bend
        b = height * d0 - rise * bend
        c = -s * rise
        xi = 2 * c / (-b - (b * b - 4 * a * c).clamp_min(0).sqrt())
    else:
        xi = torch.where(inside, (x - x0) / width, 0.5)
    bow = xi * (1 - xi)
    denominator = s + bend * bow
    forward_image = y0 + height * (s * xi * xi + d0 * bow) / denominator
    image = x0 + xi * width if inverse else forward_image
    slope = s * s * (d1 * xi * xi + 2 * s * bow + d0 * (1 - xi) ** 2) / (denominator * denominator)
    log_slope = torch.where(inside, slope.log(), 0.0)
    return torch.where(inside, image, x), -log_slope if inverse else log_slope


class SplineCoupling(Coupling):
    """Coupling by rational-quadratic splines on ``[-bound, bound]``, the identity outside.

    Args:
        split: Channels ``(A, B)`` of the two halves.
        conditioner: Gives ``(3 * bins - 1) * channels changed``.
        lattice: Trailing axes of both halves.
        reads: Index of the half that is read.
        bins: Number of bins.
        bound: Half the interval's length.

    Reference: Neural spline flows, arXiv:1906.04032.

    >>> from rgflow.conditioners import MLP
    >>> coupling = SplineCoupling((2, 3), MLP(2, 3 * 23), bins=8)
    >>> coupling((torch.ones(1, 2), torch.ones(1, 3)))[1].shape
    torch.Size([1])
    """

    def __init__(
        self,
        split: tuple[int, int],
        conditioner: nn.Module,
        lattice: tuple[int, ...] = (),
        reads: int = 0,
        bins: int = 8,
        bound: float = 4.0,
    ) -> None:
        super().__init__(split, conditioner, lattice, reads)
        if bins < 2 or not 0 < bound < math.inf:
            raise ValueError(f"a spline needs bins >= 2 and bound > 0, got {bins} and {bound}")
        self.bins, self.bound = bins, bound
        self.parameters_per_entry = 3 * bins - 1

    def _knots(self, b: Tensor, parameters: Tensor) -> Knots:
        # (N, 3K - 1, D, *lattice): the bins in front, so that all passes run along the lattice
        shaped = parameters.unflatten(1, (3 * self.bins - 1, b.shape[1]))
        return knots(shaped, self.bins, self.bound)

    def _transform(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return self._run_spline(b, parameters, inverse=False)

    def _untransform(self, b: Tensor, parameters: Tensor) -> tuple[Tensor, Tensor]:
        return self._run_spline(b, parameters, inverse=True)

    def _run_spline(
        self, b: Tensor, parameters: Tensor, *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        image, log_slope = spline(b, self._knots(b, parameters), inverse=inverse)
        return image, log_slope.flatten(1).sum(1)


class ElementwiseSpline(Bijector):
    """One learnable monotone spline per channel, the same on all sites.

    Args:
        event_shape: ``(C, *lattice)``.
        bins: Number of bins.
        bound: Half the interval's length; the identity outside.

    >>> ElementwiseSpline((3, 4, 4))(torch.zeros(2, 3, 4, 4))[0].shape
    torch.Size([2, 3, 4, 4])
    """

    def __init__(self, event_shape: tuple[int, ...], bins: int = 16, bound: float = 4.0) -> None:
        super().__init__(event_shape)
        self.bins, self.bound = bins, bound
        self.parameters_by_channel = nn.Parameter(torch.zeros(3 * bins - 1, event_shape[0]))

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(x, inverse=False)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(z, inverse=True)

    @property
    def reaches(self) -> tuple[()]:
        """Empty: every entry on its own."""
        return ()

    def _run(self, x: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        at = knots(self.parameters_by_channel[None], self.bins, self.bound)  # (1, K + 1, C)
        flat = x.transpose(0, 1).flatten(1).T  # (B * sites, C)
        rows = Knots(*(k.expand(len(flat), -1, -1) for k in at))
        image, log_slope = spline(flat, rows, inverse=inverse)
        lattice = x.shape[2:]
        image = image.T.reshape(x.shape[1], x.shape[0], *lattice).transpose(0, 1)
        return image, log_slope.reshape(x.shape[0], -1).sum(1)
