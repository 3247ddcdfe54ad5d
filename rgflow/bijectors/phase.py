"""The common phase of a complex field as one number of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rgflow.bijectors.base import Bijector
from rgflow.hierarchy import Reach, full_pattern

CORE = 3.0
"""Where the map of the angle leaves the error function for a tail: 4.2 standard deviations."""
SHARE = math.erfc(CORE)
RATE = 2 / math.sqrt(math.pi) * math.exp(-(CORE**2)) / SHARE
"""Share of phases in both tails, and the logarithmic derivative of erfc there."""
TINY = 1e-12
"""Least distance of a phase from the cut, in units of pi."""


class CommonPhase(Bijector):
    r"""Turns a complex field so that its mean is real, and keeps the angle in the other part.

    With the mean ``M = r exp(i a)`` of the field over all sites, ``-pi < a < pi``,

    ``y = exp(-i a) (x - M) + f(r) + i g(a)``,
    ``f(r) = r - core^2 / r``, ``g(a) = spread sqrt(2) w(a)``, ``w(a) = erfinv(a / pi)``,

    ``ln |det dy/dx| = -ln r + ln(1 + core^2 / r^2) + ln(spread / sqrt(2 pi)) + w^2``.

    Where all phases of x can be turned at no cost, the imaginary mean of y is exactly normal with
    the standard deviation ``spread``, and independent of all else: the ring of degenerate states,
    around which no map of a normal law goes easily, has become one hill. f takes ``r > 0`` to all
    real numbers. A field whose mean is 0 has no phase, and gives no finite numbers. Beyond
    ``|w| = 3``, which are 2e-5 of all phases, w continues as ``3 + (q_3 / q - 1) / c`` with the
    share ``q = 1 - |a| / pi``, ``q_3 = erfc(3)``, and c that makes the slope continuous: the error
    function would leave nothing to tell phases by in single precision.

    The map couples all sites, but only by three numbers. Differences of phases between sites stay
    what they are.

    Args:
        side: Side L of the lattice; events are ``(2, L, L)``, the real and imaginary parts.
        spread: Standard deviation of the imaginary mean of y for a uniform phase, small beside
            the field: see the note.
        core: Mean r below which f bends.

    Raises:
        ValueError: If ``spread`` or ``core`` is not positive and finite.

    Note:
        The imaginary mean moves all sites, and local levels cannot tell it from a wave. With
        spread 0.1 a flow of complex phi^4 at L = 16 had its density change by 3.8 nats when
        phases turned. As a mode of unit length over the lattice it is ``spread L``, and so large
        enough for a latent.

    >>> turn = CommonPhase(2)
    >>> x = torch.tensor([1.0, 2.0, 3.0, 5.0, 0.0, 0.0, 0.0, 0.0]).view(1, 2, 2, 2)
    >>> y, _ = turn(x)
    >>> y_of_turned, _ = turn(torch.stack([-x[:, 1], x[:, 0]], 1))  # by a quarter of a turn
    >>> (y_of_turned - y).mean((0, 2, 3)).abs().tolist()  # 0.02 sqrt(2) erfinv(1/2)
    [0.0, 0.013...]
    """

    def __init__(self, side: int, spread: float = 0.02, core: float = 0.1) -> None:
        super().__init__((2, side, side))
        for name, value in (("spread", spread), ("core", core)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name}: got {value}, expected a positive finite number")
        self.spread = spread
        self.core = core

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """One layer that couples all sites."""
        side = self.event_shape[-1]
        return (Reach(side, full_pattern(side), full_pattern(side)),)

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.double().mean((2, 3))  # phases near the cut need the precision
        r = torch.linalg.vector_norm(mean, dim=1)
        share = (torch.atan2(mean[:, 1].abs(), -mean[:, 0]) / math.pi).clamp_min(TINY)
        inside = share > SHARE
        w = torch.where(
            inside,
            torch.erfinv(1 - share.clamp_min(SHARE)),
            CORE + (SHARE / share - 1) / RATE,
        )
        signed = torch.where(mean[:, 1] < 0, -w, w)
        new_mean = torch.stack([r - self.core**2 / r, math.sqrt(2) * self.spread * signed], 1)
        cosine, sine = (mean / r[:, None]).unbind(1)
        y = _rotated(x - _everywhere(mean, x), cosine, -sine) + _everywhere(new_mean, x)
        return y, self._log_det(r, w, share).to(x)

    def _inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        mean = y.double().mean((2, 3))
        f, g = mean.unbind(1)
        root = torch.hypot(f, torch.full_like(f, 2 * self.core))
        # the larger root without cancellation, on both sides of f = 0
        r = torch.where(f > 0, (f + root) / 2, 2 * self.core**2 / (root - f))
        w = g.abs() / (math.sqrt(2) * self.spread)
        share = torch.where(
            w < CORE, torch.erfc(w.clamp_max(CORE)), SHARE / (1 + RATE * (w - CORE).clamp_min(0))
        )
        cosine, sine = -torch.cos(math.pi * share), torch.sin(math.pi * share)
        sine = torch.where(g < 0, -sine, sine)
        old_mean = torch.stack([r * cosine, r * sine], 1)
        x = _rotated(y - _everywhere(mean, y), cosine, sine) + _everywhere(old_mean, y)
        return x, -self._log_det(r, w, share).to(y)

    def _log_det(self, r: Tensor, w: Tensor, share: Tensor) -> Tensor:
        """Of x -> y; ``w >= 0``."""
        bend = (r.square() + self.core**2).log() - 3 * r.log()
        # ln |dw / d share| + ln(2 / sqrt(pi)), by the error function or by the tail
        slope = torch.where(
            w < CORE,
            w.square(),
            math.log(2 / math.sqrt(math.pi) * SHARE / RATE) - 2 * share.log(),
        )
        return bend + math.log(self.spread / math.sqrt(2 * math.pi)) + slope


def _everywhere(numbers: Tensor, like: Tensor) -> Tensor:
    """``(B, 2)`` for the two channels of a field, ``(B, 2, 1, 1)``."""
    return numbers.to(like)[:, :, None, None]


def _rotated(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    real, imaginary = x.unbind(1)
    c, s = (number.to(x)[:, None, None] for number in (cosine, sine))
    return torch.stack([c * real - s * imaginary, s * real + c * imaginary], 1)
