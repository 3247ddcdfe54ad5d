r"""The tail of weights, and what it leaves of the errors of averages over them.

The mean of weights with ``P(w > t) ~ t^(-1/k)`` exists for k < 1, its variance for k < 1/2, and
with it the central limit theorem. Between 1/2 and 0.7 the mean still converges at a practical
rate; from 0.7 on the number of samples that are needed grows beyond reach, and neither an average
nor its error can be believed (arXiv:1507.02646). The square of a weight has the tail 2 k, and so
has the effective sample size.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rgflow.statistics.chains import real_numbers

UNTRUSTED = 0.7
"""The tail from which on an average is not to be trusted."""
UNCERTAIN = 0.5
"""The tail from which on the variance of what is averaged does not exist."""
FEWEST = 5
"""Fewest weights in the tail to which a law is fitted."""
ROUNDING = 0.01
"""Spread in nats of the largest weights below which they are equal for all purposes; rounding of
single precision makes as much on large lattices, and has tails of its own."""
WIDEST = 600.0
"""Spread in nats of the largest weights above which their ratios overflow."""


def pareto_k(log_weights: Tensor) -> float:
    r"""Shape k of the generalised Pareto law of the largest weights, ``P(w > t) ~ t^(-1/k)``.

    The law ``P(w - u > t) = (1 + k t / sigma)^(-1/k)`` is fitted to the ``min(n / 5, 3 sqrt n)``
    largest weights, above the next one u, by Zhang and Stephens' nearly Bayesian estimate, with
    the weak prior ``k = 1/2`` of ten weights. The standard error is about ``(1 + k) / sqrt(M)``
    for M weights in the tail.

    Args:
        log_weights: ``(n,)``, up to a common constant.

    Returns:
        k; minus infinity if the largest weights are equal up to rounding, and NaN for fewer than
        25 weights. Where the largest weights spread over more than `WIDEST` nats it is the mean of
        ``ln w - ln u`` (Hill's estimate), which then is far above one.

    Reference: Vehtari et al., arXiv:1507.02646; Zhang and Stephens, Technometrics 51, 316 (2009).

    >>> u = (torch.arange(10000, dtype=torch.float64) + 0.5) / 10000
    >>> round(pareto_k(-0.6 * u.log()), 1)
    0.6
    """
    log_weights = real_numbers(log_weights, "log weights")
    count = len(log_weights)
    size = math.ceil(min(count / 5, 3 * math.sqrt(count)))
    if size < FEWEST:
        return math.nan
    largest = log_weights.topk(size + 1).values.flip(0)
    largest = largest[largest > -math.inf]  # a weight of zero is no more than a limit
    spread = float(largest[-1] - largest[0])
    if spread < ROUNDING:
        return -math.inf
    if spread > WIDEST:
        return float((largest[1:] - largest[0]).mean())
    weights = (largest - largest[-1]).exp()
    return generalized_pareto_shape(weights[1:] - weights[0])


def generalized_pareto_shape(excess: Tensor) -> float:
    """k of the generalised Pareto law of some excesses over a limit, ascending, by `pareto_k`."""
    size = len(excess)
    # theta = -k / sigma on a grid of quantiles of its prior, which the quartile sets the scale of
    points = 30 + int(math.sqrt(size))
    steps = torch.arange(1, points + 1, dtype=torch.float64) - 0.5
    quartile = excess[int(size / 4 + 0.5) - 1]
    if quartile == 0:  # most of the largest weights are equal
        quartile = excess.mean()
    theta = 1 / excess[-1] + (1 - (points / steps).sqrt()) / (3 * quartile)
    shapes = torch.log1p(-theta[:, None] * excess).mean(1)
    log_likelihood = size * ((-theta / shapes).log() - shapes - 1)
    best = (torch.softmax(log_likelihood, 0) * theta).sum()
    k = float(torch.log1p(-best * excess).mean())
    return (size * k + 5) / (size + 10)
