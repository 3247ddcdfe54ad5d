r"""How correlations of a field decay: as a power of the distance, or exponentially.

Both laws are fitted to the logarithm of a correlation function by weighted least squares, with a
free amplitude. The points of one set of states are correlated, so that errors are those of a
jackknife over independent chains, and the quality of a fit is told by ``chi_squared`` per point
without the correlations: about 1 or less where the law holds.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from rgflow.lattice import khat_squared
from rgflow.observables import time_slice_correlator, two_point_on_axes
from rgflow.statistics import Measured
from rgflow.statistics.jackknife import jackknife_error

SIGNAL = 4.0
"""Points are fitted up to the first one that is not above so many of its standard errors."""
FIRST = 2
"""Smallest distance that is fitted: nearest neighbours know the lattice."""
LENGTHS = (0.05, 100.0)
"""Correlation lengths among which is searched, in units of the lattice's side."""
LARGEST_EXPONENT = 4.0
"""Largest power among which is searched."""


class DecayFit(NamedTuple):
    """A decay with one parameter, fitted to a correlation function.

    Attributes:
        parameter: The exponent or the correlation length.
        error: Its standard error, by the jackknife over chains.
        chi_squared: Mean of the squared residuals in standard errors of the points.
        points: Number of points that were fitted.
    """

    parameter: float
    error: float
    chi_squared: float
    points: int


def spin_wave_distance(side: int) -> Tensor:
    r"""The lattice's ``ln r``: ``2 pi D(r)`` on the torus, for r = 0 to L/2 along an axis.

    ``D(r) = 1/N sum_{k != 0} (1 - cos k r) / khat^2`` grows as ``ln(r) / (2 pi)`` where r is much
    smaller than L. With spin waves alone the two-point function of a phase of stiffness Upsilon is
    ``exp(-D(r) / Upsilon)``, that is a power law with ``eta = 1 / (2 pi Upsilon)`` in this
    distance, images of the torus included.

    Returns:
        ``(L // 2 + 1,)``, float64.

    >>> distance = spin_wave_distance(256)
    >>> round(float((distance[16] - distance[8]) / math.log(2)), 2)
    0.99
    """
    stiffness = khat_squared(side, side)
    stiffness[0, 0] = torch.inf
    propagator = torch.fft.ifft2(1 / stiffness).real[0]
    return 2 * math.pi * (propagator[0] - propagator)[: side // 2 + 1]


def power_law(samples: Tensor, first: int = FIRST) -> DecayFit:
    r"""Fits ``G(r) = A exp(-eta 2 pi D(r))``, the power law ``r^-eta`` on a torus.

    Args:
        samples: Markov chains of fields, ``(T, B, C, L, L)``.
        first: Smallest r; the largest is L/2, or less where the noise is.

    Raises:
        ValueError: If there are fewer than two chains, or than three points above the noise.
    """
    distance = spin_wave_distance(samples.shape[-1])
    return _fit(
        _by_chain(two_point_on_axes, samples),
        lambda eta: -eta * distance,
        (0.0, LARGEST_EXPONENT),
        first,
    )


def exponential(samples: Tensor, first: int = FIRST) -> DecayFit:
    r"""Fits ``C(t) = A cosh((L/2 - t) / xi)`` to the correlations between rows.

    C is the two-point function at zero momentum along one axis, averaged over both axes. A free
    field has this law exactly, with ``2 sinh(1 / (2 xi))`` its mass.

    Args:
        samples: Markov chains of fields, ``(T, B, C, L, L)``.
        first: Smallest t; the largest is L/2, or less where the noise is.

    Raises:
        ValueError: If there are fewer than two chains, or than three points above the noise.
    """
    side = samples.shape[-1]
    u = side / 2 - torch.arange(side // 2 + 1, dtype=torch.float64)

    def shape(xi: float) -> Tensor:  # the logarithm of a cosh that does not overflow
        return u / xi + torch.log1p(torch.exp(-2 * u / xi))

    low, high = (length * side for length in LENGTHS)
    return _fit(_by_chain(_between_rows, samples), shape, (low, high), first)


def finite_size_exponent(sides: Sequence[int], m2: Sequence[Measured]) -> Measured:
    r"""``eta`` of ``<m^2> ~ L^-eta``, by a weighted straight line through logarithms.

    Args:
        sides: L, at least two different ones.
        m2: ``<m^2>`` with independent errors for each.

    Raises:
        ValueError: If there are fewer than two sides, or not one value for each.

    >>> rows = [Measured(side**-0.25, 0.01) for side in (8, 16, 32)]
    >>> round(finite_size_exponent((8, 16, 32), rows).value, 6)
    0.25
    """
    if len(set(sides)) < 2 or len(sides) != len(m2):
        raise ValueError(f"got sides {sides} and {len(m2)} values, expected one for each of two")
    x = torch.tensor(sides, dtype=torch.float64).log()
    y, weight = torch.tensor(
        [(math.log(row.value), (row.value / row.error) ** 2) for row in m2], dtype=torch.float64
    ).T
    x = x - (weight * x).sum() / weight.sum()
    information = (weight * x.square()).sum()
    return Measured(-float((weight * x * y).sum() / information), float(information.rsqrt()))


def _between_rows(x: Tensor) -> Tensor:
    """``C`` at 0 to L/2, averaged over both axes, ``(..., L // 2 + 1)``."""
    both = time_slice_correlator(x) + time_slice_correlator(x.transpose(-1, -2))
    return both[..., : x.shape[-1] // 2 + 1] / 2


def _by_chain(correlation: Callable[[Tensor], Tensor], samples: Tensor) -> Tensor:
    """Mean over the states of each chain, ``(B, L // 2 + 1)``."""
    return torch.stack([correlation(chain).mean(0) for chain in samples.transpose(0, 1)])


def _fit(
    chains: Tensor, shape: Callable[[float], Tensor], bounds: tuple[float, float], first: int
) -> DecayFit:
    """Fits ``ln G = a + shape(parameter)``, with the amplitude ``a`` free.

    Args:
        chains: G of each chain, ``(B, L // 2 + 1)``.
        shape: Logarithm of the law, ``(L // 2 + 1,)``, for a parameter.
        bounds: Smallest and largest parameter.
        first: Index of the first point.
    """
    count = len(chains)
    if count < 2:
        raise ValueError(f"got {count} chains, expected at least 2, whose spread gives the errors")
    mean, error = chains.mean(0), chains.std(0) / math.sqrt(count)
    clear = (mean > SIGNAL * error)[first:].long().cumprod(0)
    fitted = slice(first, first + int(clear.sum()))
    if fitted.stop - first < 3:
        raise ValueError(
            f"got {fitted.stop - first} points from {first} on that are above the noise, expected "
            "at least 3: more states would help"
        )
    mean, left_out = mean[fitted], ((chains.sum(0) - chains) / (count - 1))[:, fitted]
    logs = left_out.log()
    weight = 1 / logs.var(0, correction=0).mul(count - 1).clamp_min(1e-30)

    def misfit(parameter: float, log: Tensor) -> Tensor:
        residual = log - shape(parameter)[fitted]
        residual = residual - (weight * residual).sum() / weight.sum()
        return weight * residual.square()

    def best(log: Tensor) -> float:
        objective = lambda p: float(misfit(p, log).sum())  # noqa: E731
        return float(minimize_scalar(objective, bounds=bounds, method="bounded").x)

    parameter = best(mean.log())
    error = jackknife_error(torch.tensor([best(log) for log in logs], dtype=torch.float64))
    return DecayFit(parameter, error, float(misfit(parameter, mean.log()).mean()), len(mean))
