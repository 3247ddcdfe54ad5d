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
from rgflow.statistics.chains import Measured, mean_with_error, real_numbers
from rgflow.statistics.tail import UNCERTAIN, UNTRUSTED, pareto_k

LEAST_FOR_ESS = 10_000
"""Fewest samples for which an effective sample size is quoted; that of few is far too good."""
GROUPS = 4096
"""Groups of samples that the bootstrap draws from."""
RESAMPLES = 400
"""Resamplings of the bootstrap."""
UNSEEN = 5.0
"""Times the tail k, and the largest square's share of all: what squares that no sample has met add
to the relative error of an effective sample size."""


class EffectiveSampleSize(NamedTuple):
    """Effective sample size as a fraction in (0, 1], and numbers that tell whether to believe it.

    Attributes:
        ess: ``<w>^2 / <w^2>``.
        error: Standard error by bootstrap, which is blind to modes that q never visits as well;
            infinite where the tail of the weights does not let it be known.
        largest_share: Largest weight over the sum of all weights; if it is much above
            1 / samples, the weights have a tail that the samples have barely seen.
        samples: Number of weights.
        pareto_k: Shape of the weights' tail, see `pareto_k`. The squared weights have 2 k: the
            number is not to be trusted from 2 k = 0.7 on.
    """

    ess: float
    error: float
    largest_share: float
    samples: int
    pareto_k: float = math.nan


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

    It is an average of squared weights, whose tail is 2 k for weights of the tail k (`pareto_k`).
    From 2 k = 1/2 on squares have no variance, and the bootstrap is blind to those that the
    samples have not met: ``5 k`` times the largest square's share of all squares, a factor that
    was calibrated on log-normal weights, is added to the relative error in quadrature. From
    2 k = 0.7 on the number is not to be trusted, and from 2 k = 1 on, where squares have no mean,
    the error is withheld, as infinite. So often the value is within an error of the exact one
    (it should be 68%), for 1e5 log-normal weights:

    ===========================  =====  =====  =====  =====  =====
    s^2                          0.5    1      2      3      4
    ===========================  =====  =====  =====  =====  =====
    bootstrap alone              67%    65%    50%    42%    36%
    the error as it is quoted    70%    74%    73%    67%    42%
    how often one is quoted      100%   100%   100%   83%    24%
    ===========================  =====  =====  =====  =====  =====

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
    log_weights = checked_log_weights(log_weights)
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
    value, error = bootstrap(ess, columns, generator)
    k = pareto_k(log_weights)
    if 2 * k >= 1:  # squares have no mean
        error = math.inf
    elif 2 * k >= UNCERTAIN:
        error = math.hypot(error, UNSEEN * k * value / float(columns[:, 1].sum()))
    return EffectiveSampleSize(value, error, share, count, k)


def log_z_estimates(
    log_weights: Tensor,
    target_log_weights: Tensor | None = None,
    *,
    generator: torch.Generator | None = None,
) -> LogZ:
    """Lower bound, importance-sampling estimate and upper bound of ``ln Z``, with errors.

    The error of the importance estimate is the larger one of the delta method's and the
    bootstrap's. It is infinite from `pareto_k` = 0.7 on, where the estimate is not to be trusted.
    If the effective sample size is tiny, both are of order one, the estimate is
    biased towards the lower bound, and only the bounds should be quoted.

    Args:
        log_weights: ``-E(x) - log q(x)`` of independent samples of q, ``(n,)``.
        target_log_weights: The same for states of the target, ``(T,)`` or ``(T, chains)`` of
            Markov chains, whose autocorrelation goes into the error.
        generator: Source of the bootstrap, on the CPU; a fixed stream if None.

    Raises:
        ValueError: If there are fewer than two weights, or some are not finite.
    """
    log_weights = checked_log_weights(log_weights)
    count = len(log_weights)
    if not log_weights.isfinite().all():
        raise ValueError(
            "got a sample of weight zero, expected finite log weights: the lower bound on ln Z "
            "would be minus infinity"
        )
    lower = Measured(float(log_weights.mean()), float(log_weights.std()) / math.sqrt(count))
    top = log_weights.max()
    weights = (log_weights - top).exp()
    log_mean, spread = bootstrap(lambda m: m[..., 0].log(), weights[:, None], generator)
    delta = float(weights.std() / weights.mean()) / math.sqrt(count)
    trusted = not pareto_k(log_weights) >= UNTRUSTED  # NaN for a few samples, of which one knows
    error = max(delta, spread) if trusted else math.inf
    importance = Measured(float(top) + log_mean, error)
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
    log_weights = checked_log_weights(log_weights).sort().values
    weights = (log_weights - log_weights[-1]).exp()
    # the i-th smallest weight is the minimum with each weight above it, in both orders
    above = torch.arange(len(weights) - 1, -1, -1, dtype=torch.float64)
    smaller = 2 * (weights * above).sum()
    return float(smaller / ((len(weights) - 1) * weights.sum()))


def bootstrap(
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


def checked_log_weights(log_weights: Tensor) -> Tensor:
    """The log weights, ``(n,)`` float64 on the CPU; n >= 2, no NaN and no infinite weight."""
    log_weights = real_numbers(log_weights, "log weights")
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
