r"""Mutual information between a learned block variable and its environment, from samples.

A block variable ``t = +-1`` has ``P(t | v) ~ exp(t w.v)`` with a filter w on the spins v of a
block. A neural network, the critic, assigns a score ``f(t, e)`` to a block variable and an
environment e. Both bounds on ``I(t : e)`` below hold for every critic. The mean over t is exact,
so that no gradient has to pass through a sampled sign.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.samples.block_filter import block_law, symmetrize
from rgflow.realspace.samples.windows import Windows
from rgflow.statistics.information.critic import log_mean_exp, maximise, random_perceptron
from rgflow.statistics.jackknife import jackknife_error


class Bounds(NamedTuple):
    """Lower bounds on ``I(t : e)`` and their standard errors, in nats."""

    donsker_varadhan: float
    donsker_varadhan_error: float
    info_nce: float
    info_nce_error: float


class LearnedFilter(NamedTuple):
    """Filter of a block variable, ``(side, side)``, and bounds on its information."""

    weights: Tensor
    bounds: Bounds


def donsker_varadhan(law: Tensor, scores: Tensor) -> Tensor:
    r"""Donsker-Varadhan bound, ``I(t : e) >= E_P(t,e) f - ln E_P(t)P(e) exp f``.

    Args:
        law: ``P(t | v)`` of each sample for both t, ``(M, 2)``.
        scores: ``f(t, e)`` of each sample for both t, ``(M, 2)``.

    Returns:
        ``()``, nats.

    Reference: arXiv:1801.04062.
    """
    log_normalizer = (law.mean(0).log() + log_mean_exp(scores)).logsumexp(0)
    return (law * scores).sum(1).mean() - log_normalizer


def info_nce(law: Tensor, scores: Tensor) -> Tensor:
    r"""InfoNCE bound, ``I(t : e) >= E_P(t,e) [f(t, e) - ln 1/M sum_e' exp f(t, e')]``.

    The sum is over all M samples, including the environment of the block itself. The bound cannot
    exceed ``ln M``.

    Args:
        law: ``P(t | v)`` of each sample for both t, ``(M, 2)``.
        scores: ``f(t, e)`` of each sample for both t, ``(M, 2)``.

    Returns:
        ``()``, nats.

    Reference: arXiv:1807.03748; its use for renormalization: arXiv:2101.11633.
    """
    return (law * (scores - log_mean_exp(scores))).sum(1).mean()


def learn_filter(
    training: Windows,
    test: Windows,
    generator: torch.Generator,
    *,
    steps: int = 1500,
    batch_size: int = 2048,
    hidden: int = 64,
    learning_rate: float = 5e-3,
    symmetric: bool = True,
) -> LearnedFilter:
    r"""Learn the filter whose block variable has the most information on its environment.

    Filter and critic together maximise the sum of both bounds by Adam, with a learning rate that
    decays as a cosine. A filter that is symmetric under rotations and reflections, as the model
    is, does not adapt to the sampling noise in equivalent weights. A filter without the symmetry
    may have slightly more information: for 2x2 spins it lets one spin decide the ties.

    Args:
        training: Windows to learn from.
        test: Independent windows for the final bounds.
        generator: Random numbers of the initial weights and of the batches.
        steps: Number of steps of the optimizer.
        batch_size: Number of windows in a batch.
        hidden: Width of the hidden layers of the critic.
        learning_rate: Initial learning rate of the critic; the filter's is ten times as large.
        symmetric: Whether the filter has the symmetry of the square.

    Raises:
        ValueError: If there are fewer training windows than in a batch, or if the blocks are not
            square.
    """
    if len(training.blocks) < batch_size:
        raise ValueError(
            f"got {len(training.blocks)} windows, expected at least batch_size={batch_size}"
        )
    if math.isqrt(training.blocks.shape[1]) ** 2 != training.blocks.shape[1]:
        raise ValueError(f"got blocks of {training.blocks.shape[1]} spins, expected square ones")
    spins, sites = training.blocks.shape[1], training.environment.shape[1]
    drawn_on, device = generator.device, training.blocks.device
    side = math.isqrt(spins)
    raw = (0.1 * torch.randn(side, side, generator=generator, device=drawn_on)).to(device)
    raw.requires_grad_()
    critic = random_perceptron(sites, hidden, 2, generator).to(device)
    groups = [
        {"params": list(critic.parameters()), "lr": learning_rate},
        {"params": [raw], "lr": 10 * learning_rate},
    ]

    def sum_of_bounds(chosen: Tensor) -> Tensor:
        weights = symmetrize(raw) if symmetric else raw
        law = block_law(training.blocks[chosen], weights.flatten())
        scores = critic(training.environment[chosen])
        return info_nce(law, scores) + donsker_varadhan(law, scores)

    maximise(
        sum_of_bounds,
        groups,
        len(training.blocks),
        generator,
        steps=steps,
        batch_size=batch_size,
        what="training the filter",
    )
    with torch.no_grad():
        weights = symmetrize(raw) if symmetric else raw
        law = block_law(test.blocks, weights.flatten())
        bounds = estimate_bounds(law, critic(test.environment))
    return LearnedFilter(weights * (1 if weights.sum() >= 0 else -1), bounds)


def estimate_bounds(law: Tensor, scores: Tensor, bins: int = 20) -> Bounds:
    """Both bounds from all samples, with jackknife errors.

    Args:
        law: ``P(t | v)`` of each sample for both t, ``(M, 2)``, in the order of drawing.
        scores: ``f(t, e)`` of each sample for both t, ``(M, 2)``.
        bins: Number of bins of consecutive samples, which the jackknife leaves out in turn.

    Raises:
        ValueError: If there are fewer samples than bins.
    """
    if len(law) < bins:
        raise ValueError(f"got {len(law)} samples, expected at least {bins}")
    bin_of = torch.arange(len(law), device=law.device) * bins // len(law)
    results = []
    for bound in (donsker_varadhan, info_nce):
        leave_one_out = [bound(law[bin_of != b], scores[bin_of != b]) for b in range(bins)]
        results += [bound(law, scores).item(), jackknife_error(torch.stack(leave_one_out))]
    return Bounds(*results)
