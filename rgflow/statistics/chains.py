"""Autocorrelation of Markov chains and errors that account for it: the Gamma method.

The field's package, pyerrors, subtracts each chain's own mean. That is right for the few long
chains of a supercomputer and biased for the many short ones of a batched sampler: for 200 chains
of 100 states of an AR(1) process with tau = 4.5 it finds 2.6 +- 0.2. Here the mean of all chains
is subtracted. For a single chain the errors agree to all digits.

The errors of short chains are too small, since tau comes out too small. There is a warning for
fewer than 50 of the estimated times, or an autocorrelation that does not decay. How often the
error covers the mean of an AR(1) process (it should be 68%), and how often there is a warning:

========  =============  =======  =======
tau       states         covers   warns
========  =============  =======  =======
0.5       20             65%      68%
0.5       100            67%      1%
5         300            67%      21%
10        300            64%      81%
30        300            55%      99%
30        1000           66%      75%
30        3000           68%      1%
300       300            18%      100%
30        16 x 300       71%      3%
30        64 x 30        69%      100%
========  =============  =======  =======
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.statistics.chain_warnings import warn_of_chains
from rgflow.statistics.warning_classes import ShortChainWarning, StuckChainWarning

TIMES = 50
"""Autocorrelation times, as they are estimated, that all chains together should have."""


class Measured(NamedTuple):
    """A value, its standard error, and the autocorrelation time that went into the error.

    ``tau`` is 1/2 for independent samples.
    """

    value: float
    error: float
    tau: float = 0.5

    def sigmas(self, exact: float) -> float | None:
        """By how many standard errors the value is off; None without a finite, positive error.

        >>> Measured(1.5, 0.25).sigmas(1.0)
        2.0
        """
        is_known = math.isfinite(self.value) and 0 < self.error < math.inf
        return (self.value - exact) / self.error if is_known else None


class AutocorrelationTime(NamedTuple):
    """Integrated autocorrelation time, its standard error, and the summation window, in steps."""

    tau: float
    error: float
    window: int


def integrated_autocorrelation_time(series: Tensor, s: float = 1.5) -> AutocorrelationTime:
    r"""Integrated autocorrelation time with automatic windowing.

    ``tau = 1/2 + sum_{t=1}^{W} rho(t)``, where the window W balances the error of the truncation,
    about ``exp(-W / (s tau))``, against the noise of the sum. The variance of the mean of n states
    is ``2 tau var / n``, so that tau = 1/2 means independent states.

    Args:
        series: Measurements on equilibrated chains, ``(T,)`` or ``(T, chains)``.
        s: Assumed ratio of the exponential to the integrated time.

    Raises:
        ValueError: If there are fewer than two values, some are not finite, or the shape differs.

    Reference: U. Wolff, hep-lat/0306017.

    >>> noise = torch.randn(10000, generator=torch.Generator().manual_seed(0))
    >>> 0.4 < integrated_autocorrelation_time(noise).tau < 0.6
    True
    """
    return _gamma_method(_as_chains(series), s)[1]


def mean_with_error(series: Tensor, s: float = 1.5) -> Measured:
    """Mean of Markov chains ``(T,)`` or ``(T, chains)`` with its autocorrelation-aware error.

    Raises:
        ValueError: See `integrated_autocorrelation_time`.
    """
    chains = _as_chains(series)
    error, time = _gamma_method(chains, s)
    return Measured(float(chains.mean()), error, time.tau)


def derived_with_error(
    function: Callable[..., Tensor], *series: Tensor, s: float = 1.5
) -> Measured:
    r"""A function of means, ``F(<a>, <b>, ...)``, with its autocorrelation-aware error.

    The error is that of the mean of the projection ``sum_i (dF/da_i) a_i``, which keeps the
    correlations between the series; the derivatives are automatic.

    Args:
        function: Takes as many scalar tensors as there are series, gives a scalar tensor.
        series: Measurements on the same states, each ``(T,)`` or ``(T, chains)``, of equal shapes.
        s: See `integrated_autocorrelation_time`.

    Returns:
        Value, error and time; the latter two are NaN where the function has no derivative.

    Raises:
        ValueError: Also if there is no series, or their shapes differ.

    >>> x = torch.randn(4000, generator=torch.Generator().manual_seed(0))
    >>> value, error, tau = derived_with_error(lambda m, m2: m2 - m**2, x, x**2)
    >>> abs(value - 1) < 4 * error < 0.1
    True
    """
    shapes = [tuple(one.shape) for one in series]
    if len(set(shapes)) != 1:
        raise ValueError(f"got series of shapes {shapes}, expected one or more of equal shape")
    chains = [_as_chains(one) for one in series]
    with torch.enable_grad():
        means = [one.mean().detach().requires_grad_() for one in chains]
        value = function(*means)
        slopes = torch.autograd.grad(value, means, allow_unused=True, materialize_grads=True)
    projection = sum(slope * one for slope, one in zip(slopes, chains, strict=True))
    if not projection.isfinite().all():  # such as the root of a mean that came out negative
        return Measured(float(value.detach()), math.nan, math.nan)
    error, time = _gamma_method(projection, s)
    return Measured(float(value.detach()), error, time.tau)


def real_numbers(values: Tensor, name: str) -> Tensor:
    """The values in float64 on the CPU, without a graph; ValueError if they are complex.

    Take the real and the imaginary part apart: each has an error and an autocorrelation time.
    """
    values = torch.as_tensor(values)
    if values.is_complex():
        raise ValueError(
            f"got {name} of type {values.dtype}, expected real numbers, such as the real and the "
            "imaginary part in turn"
        )
    return values.detach().double().cpu()


def _as_chains(series: Tensor) -> Tensor:
    """The series as ``(T, chains)``, float64 on the CPU, checked."""
    series = real_numbers(series, "a series")
    if series.dim() not in (1, 2) or series.numel() < 2:
        raise ValueError(
            f"got a series of shape {tuple(series.shape)}, "
            "expected (T,) or (T, chains) with two values or more"
        )
    if not series.isfinite().all():
        raise ValueError("got a series with values that are not finite, expected finite numbers")
    return series[:, None] if series.dim() == 1 else series


def _gamma_method(chains: Tensor, s: float) -> tuple[float, AutocorrelationTime]:
    """Error of the mean and autocorrelation time of ``(T, chains)``."""
    steps, count = chains.shape[0], chains.numel()
    gamma = _autocovariance(chains)[: max(1, steps // 2 + 1)]
    # a constant series leaves the rounding errors of its mean, which are no signal
    if gamma[0] <= (1e-14 * chains.abs().max()) ** 2:
        text = (
            f"the series never moved: all of its {count} values are {float(chains[0, 0]):.6g}, "
            "so that error 0 and time 1/2 say nothing unless it is a constant"
        )
        warn_of_chains(StuckChainWarning(text))
        return 0.0, AutocorrelationTime(0.5, 0.0, 0)
    sums = 2 * gamma.cumsum(0) - gamma[0]  # variance of the mean, times count, by window
    window = _window(sums / (2 * gamma[0]), count, s)
    is_open = bool(window and gamma[window] > 0.2 * gamma[0])
    if is_open:
        text = (
            f"the autocorrelation is still {float(gamma[window] / gamma[0]):.2f} after {window} "
            f"of {steps} steps, so that the error cannot be trusted: run longer chains"
        )
        warn_of_chains(ShortChainWarning(text))
    # subtracting the estimated mean instead of the true one shifts every gamma by -sums / count
    corrected = gamma + sums[window] / count
    total = float(2 * corrected[: window + 1].sum() - corrected[0])
    if total <= 0:  # anticorrelated so strongly that the noise of the sum exceeds the sum
        total = float(gamma[0]) / count
    tau = total / (2 * float(corrected[0]))
    tau_error = tau * math.sqrt(max(0.0, 4 * (window + 0.5 - tau) / count))
    if count < TIMES * tau and not is_open:
        text = (
            f"{count} values are fewer than {TIMES} autocorrelation times of {tau:.3g}, so that "
            "the error may be too small: run longer chains"
        )
        warn_of_chains(ShortChainWarning(text))
    return math.sqrt(total / count), AutocorrelationTime(tau, tau_error, window)


def _autocovariance(chains: Tensor) -> Tensor:
    """``Gamma(t)``, ``(T,)``: mean over chains and start times, about the mean of all chains."""
    steps = chains.shape[0]
    spectrum = torch.fft.rfft(chains - chains.mean(), n=2 * steps, dim=0)  # padded: no wrapping
    sums = torch.fft.irfft(spectrum.abs().square().sum(1), n=2 * steps)[:steps]
    return sums / (chains.shape[1] * torch.arange(steps, 0, -1, dtype=torch.float64))


def _window(tau: Tensor, count: int, s: float) -> int:
    """The first window where the truncation error falls faster than the noise grows."""
    width = torch.arange(1, len(tau), dtype=torch.float64)
    # the size of the sum gives the decay; an alternating sum is negative
    size = (tau[1:] - 0.5).abs().clamp_min(1e-12)
    decay = s / torch.log((1 + size) / size)
    slope = torch.exp(-width / decay) - decay / torch.sqrt(width * count)
    balanced = (slope < 0).nonzero()
    return int(balanced[0]) + 1 if len(balanced) else len(tau) - 1
