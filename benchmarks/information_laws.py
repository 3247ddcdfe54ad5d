"""Pairs of variables whose mutual information is known, from 1e-3 to 1 nat."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from scipy.optimize import brentq
from torch import Tensor

Pair = tuple[Tensor, Tensor]
Draw = Callable[[int, torch.Generator], Pair]


def gaussian(information: float) -> Draw:
    """Correlated normal numbers under monotone maps: the copula is Gaussian, the margins not."""
    rho = math.sqrt(-math.expm1(-2 * information))

    def draw(n: int, generator: torch.Generator) -> Pair:
        a, noise = torch.randn(2, n, generator=generator, dtype=torch.float64)
        return a.exp(), (rho * a + math.sqrt(1 - rho**2) * noise) ** 3

    return draw


def uniform_sum(information: float) -> Draw:
    """``b = a + c u`` of uniform a and u: ``I = 1 / (2 c)`` for c >= 1, else ``c / 2 - ln c``."""
    if information <= 0.5:
        c = 1 / (2 * information)
    else:
        c = brentq(lambda x: x / 2 - math.log(x) - information, 1e-6, 1.0)

    def draw(n: int, generator: torch.Generator) -> Pair:
        a, u = torch.rand(2, n, generator=generator, dtype=torch.float64)
        return a, a + c * u

    return draw


def scale_mixture(information: float) -> Draw:
    """Independent normal numbers times one common scale, ``e^s`` or ``e^-s``: no correlation."""
    s = brentq(lambda x: scale_information(x) - information, 1e-3, 3.0)

    def draw(n: int, generator: torch.Generator) -> Pair:
        sign = 2 * torch.randint(2, (n,), generator=generator) - 1
        a, b = torch.randn(2, n, generator=generator, dtype=torch.float64) * torch.exp(s * sign)
        return a, b

    return draw


def scale_information(s: float) -> float:
    """Information of `scale_mixture` by quadrature over ln of both sizes, nats.

    >>> round(scale_information(0.0), 9)
    0.0
    """
    u = torch.linspace(-18, 6, 1201, dtype=torch.float64)  # ln |x|
    scales = torch.tensor([s, -s], dtype=torch.float64)
    log_size = u[:, None] - scales
    # density of ln |x| for each scale
    single = log_size - 0.5 * torch.exp(2 * log_size) + 0.5 * math.log(2 / math.pi)
    joint = (single[:, None] + single[None, :]).logsumexp(-1) - math.log(2)
    marginal = single.logsumexp(-1) - math.log(2)
    density = joint.exp() * (u[1] - u[0]) ** 2
    return float((density * (joint - marginal[:, None] - marginal[None])).sum())


LAWS: dict[str, tuple[Callable[[float], Draw], tuple[float, ...]]] = {
    "gaussian": (gaussian, (1e-3, 1e-2, 0.1, 1.0)),
    "uniform sum": (uniform_sum, (1e-3, 1e-2, 0.1, 1.0)),
    "scale mixture": (scale_mixture, (1e-3, 1e-2, 0.1, 0.3)),
}
