"""Estimates from independent samples of a flow q, weighted towards a target ``exp(-E) / Z``.

The log weight of a sample is ``log w = -E(x) - log q(x)``, so that ``E_q[w] = Z``.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.runtime.counts import takes_counts
from rgflow.runtime.seeds import generator_for
from rgflow.statistics.chains import Measured, mean_with_error

LEAST_FOR_ESS = 10_000
"""Fewest samples for which an effective sample size is quoted; that of few is far too good."""
GROUPS = 4096
"""Groups of samples that the bootstrap draws from."""
RESAMPLES = 400
"""Resamplings of the bootstrap."""


class EffectiveSampleSize(NamedTuple):
    """Effective sample size as a fraction in (0, 1], and numbers that tell whether to believe it.

    Attributes:
        ess: ``<w>^2 / <w^2>``.
        error: Standard error by bootstrap, which is blind to modes that q never visits as well.
        largest_share: Largest weight over the sum of all weights; if it is much above
            1 / samples, the weights have a tail that the samples have barely seen.
        samples: Number of weights.
    """

    ess: float
    error: float
    largest_share: float
    samples: int


class LogZ(NamedTuple):
    """Estimates of ``ln Z`` in nats, ``lower <= ln Z <= upper`` within their errors.

    Attributes:
        lower: ``E_q[log w] = ln Z - KL(q || p)``.
        importance: ``ln E_q[w]``.
        upper: ``E_p[log w] = ln Z + KL(p || q)``, or None without samples of the target.
    """

    lower: Measured
    importance: Measured
    upper: Measured | None


@takes_counts
def effective_sample_size(
    log_weights: Tensor, *, minimum: int = LEAST_FOR_ESS, generator: torch.Generator | None = None
) -> EffectiveSampleSize:
    r"""Effective sample size of weights, ``(sum w)^2 / (n sum w^2)``.

    For log-normal weights whose logarithm has variance s^2 it is ``exp(-s^2)``.

    Args:
        log_weights: ``(n,)``, up to a common constant.
        minimum: Fewest samples that are accepted, since the estimate from few is far too good.
        generator: Source of the bootstrap, on the CPU; a fixed stream if None.

    Raises:
        ValueError: If there are fewer samples than ``minimum``, or some weights are NaN or
            infinite; a weight of zero, minus infinity, is allowed.

    >>> effective_sample_size(torch.zeros(20000)).ess
    1.0
    """
    log_weights = _checked(log_weights)
    count = len(log_weights)
    if count < minimum:
        raise ValueError(
            f"got {count} weights, expected at least {minimum} for an effective sample size"
        )
    weights = (log_weights - log_weights.max()).exp()
    columns = torch.stack([weights, weights**2], 1)

    def ess(means: Tensor) -> Tensor:
        return means[..., 0] ** 2 / means[..., 1]

    share = float(weights.max() / weights.sum())
    return EffectiveSampleSize(*_bootstrap(ess, columns, generator), share, count)


def log_z_estimates(
    log_weights: Tensor,
    target_log_weights: Tensor | None = None,
    *,
    generator: torch.Generator | None = None,
) -> LogZ:
    """Lower bound, importance-sampling estimate and upper bound of ``ln Z``, with errors.

    The error of the importance estimate is the larger one of the delta method's and the
    bootstrap's. If the effective sample size is tiny, both are of order one, the estimate is
    biased towards the lower bound, and only the bounds should be quoted.

    Args:
        log_weights: ``-E(x) - log q(x)`` of independent samples of q, ``(n,)``.
        target_log_weights: The same for states of the target, ``(T,)`` or ``(T, chains)`` of
            Markov chains, whose autocorrelation goes into the error.
        generator: Source of the bootstrap, on the CPU; a fixed stream if None.

    Raises:
        ValueError: If there are fewer than two weights, or some are not finite.
    """
    log_weights = _checked(log_weights)
    count = len(log_weights)
    if not log_weights.isfinite().all():
        raise ValueError(
            "got a sample of weight zero, expected finite log weights: the lower bound on ln Z "
            "would be minus infinity"
        )
    lower = Measured(float(log_weights.mean()), float(log_weights.std()) / math.sqrt(count))
    top = log_weights.max()
    weights = (log_weights - top).exp()
    log_mean, bootstrap = _bootstrap(lambda m: m[..., 0].log(), weights[:, None], generator)
    delta = float(weights.std() / weights.mean()) / math.sqrt(count)
    importance = Measured(float(top) + log_mean, max(delta, bootstrap))
    upper = None if target_log_weights is None else mean_with_error(target_log_weights)
    return LogZ(lower, importance, upper)


def metropolis_acceptance(log_weights: Tensor) -> float:
    r"""Stationary acceptance rate of independence Metropolis with these proposals.

    It is the mean of ``min(1, w' / w)`` over proposals w' and states w of the target. Each sample
    serves as both: ``sum_{i != j} min(w_i, w_j) / ((n - 1) sum_i w_i)``. For log-normal weights
    whose logarithm has variance s^2 it is ``erfc(s / 2)``.

    Args:
        log_weights: Log weights of independent samples, ``(n,)``, up to a common constant.

    Raises:
        ValueError: If there are fewer than two, or some are NaN or infinite.

    Reference: arXiv:1904.12072.

    >>> metropolis_acceptance(torch.zeros(100))
    1.0
    """
    log_weights = _checked(log_weights).sort().values
    weights = (log_weights - log_weights[-1]).exp()
    # the i-th smallest weight is the minimum with each weight above it, in both orders
    above = torch.arange(len(weights) - 1, -1, -1, dtype=torch.float64)
    smaller = 2 * (weights * above).sum()
    return float(smaller / ((len(weights) - 1) * weights.sum()))


def reweighted(values: Tensor, log_weights: Tensor) -> Measured:
    r"""Mean in the target, ``sum w v / sum w``, with the delta method's error.

    ``error^2 = sum w^2 (v - mean)^2 / (sum w)^2``.

    Args:
        values: ``(n,)``, one for each sample of the flow.
        log_weights: ``(n,)``.

    Raises:
        ValueError: If shapes differ, or something is not finite.
    """
    values, log_weights = _paired([values], log_weights)
    share = torch.softmax(log_weights, 0)
    mean = (share * values[:, 0]).sum()
    error = (share * (values[:, 0] - mean)).square().sum().sqrt()
    return Measured(float(mean), float(error))


def derived_reweighted(
    function: Callable[..., Tensor],
    *values: Tensor,
    log_weights: Tensor,
    generator: torch.Generator | None = None,
) -> Measured:
    """A function of means in the target, ``F(<a>, <b>, ...)``, with its error by bootstrap.

    Args:
        function: Takes as many tensors as there are values, elementwise, since it is applied to
            all resamplings at once.
        values: Each ``(n,)``, one number for each sample of the flow.
        log_weights: ``(n,)``.
        generator: Source of the bootstrap, on the CPU; a fixed stream if None.

    Raises:
        ValueError: If shapes differ, or something is not finite.
    """
    columns, log_weights = _paired(values, log_weights)
    weights = (log_weights - log_weights.max()).exp()
    columns = torch.cat([weights[:, None], weights[:, None] * columns], 1)

    def estimate(means: Tensor) -> Tensor:
        return function(*(means[..., 1:] / means[..., :1]).unbind(-1))

    return Measured(*_bootstrap(estimate, columns, generator))


def _bootstrap(
    estimate: Callable[[Tensor], Tensor], columns: Tensor, generator: torch.Generator | None
) -> tuple[float, float]:
    """Estimate from the column means ``(..., P)`` of ``(n, P)``, and its spread over resamplings.

    Whole groups of samples are drawn. Their sums are independent as well, and a million samples
    cost no more than a few thousand.
    """
    generator = generator or generator_for("bootstrap")
    groups = min(GROUPS, len(columns))
    group = torch.arange(len(columns)) % groups
    sums = columns.new_zeros(groups, columns.shape[1]).index_add_(0, group, columns)
    sizes = torch.bincount(group).double()
    drawn = torch.randint(groups, (RESAMPLES, groups), generator=generator)
    means = sums[drawn].sum(1) / sizes[drawn].sum(1, keepdim=True)  # (RESAMPLES, P)
    return float(estimate(columns.mean(0))), float(estimate(means).std())


def _checked(log_weights: Tensor) -> Tensor:
    """The log weights, ``(n,)`` float64 on the CPU; n >= 2, no NaN and no infinite weight."""
    log_weights = torch.as_tensor(log_weights).detach().double().cpu()
    if log_weights.dim() != 1 or len(log_weights) < 2:
        raise ValueError(
            f"got log weights of shape {tuple(log_weights.shape)}, expected (n,) with n >= 2"
        )
    if log_weights.isnan().any() or not log_weights.max().isfinite():
        raise ValueError(
            "got log weights with NaN, an infinite weight, or weights that are all zero, expected "
            "finite numbers"
        )
    return log_weights


def _paired(
    values: list[Tensor] | tuple[Tensor, ...], log_weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Values ``(n, P)`` and log weights ``(n,)``, float64 on the CPU, checked."""
    log_weights = _checked(log_weights)
    shapes = [tuple(one.shape) for one in values]
    if not shapes or any(shape != tuple(log_weights.shape) for shape in shapes):
        raise ValueError(f"got values of shapes {shapes}, expected {tuple(log_weights.shape)}")
    columns = torch.stack([one.detach().double().cpu() for one in values], 1)
    if not columns.isfinite().all():
        raise ValueError("got values that are not all finite, expected finite numbers")
    return columns, log_weights
