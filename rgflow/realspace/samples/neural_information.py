r"""Mutual information of a learned block variable and its environment, from samples.

A block variable ``t = +-1`` has ``P(t | v) ~ exp(t w.v)`` with a filter w on the spins v of a
block. A network, the critic, scores pairs ``f(t, e)``; both bounds below hold for every critic,
and the mean over t is exact, so that no gradient has to pass through a sampled sign.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rgflow.realspace.samples.block_filter import block_law, symmetrize


class Windows(NamedTuple):
    """Blocks ``(M, side * side)`` and what is seen around them, ``(M, sites)``, as floats."""

    blocks: Tensor
    environment: Tensor


class Bounds(NamedTuple):
    """Lower bounds on ``I(t : e)`` in nats with their standard errors."""

    donsker_varadhan: float
    donsker_varadhan_error: float
    info_nce: float
    info_nce_error: float


class LearnedFilter(NamedTuple):
    """Weights ``(side, side)`` of a block variable and bounds on what it knows, on new samples."""

    weights: Tensor
    bounds: Bounds


def cut_windows(spins: Tensor, side: int, buffer: int, stride: int) -> Windows:
    """Blocks of configurations on a torus and the ring of sites around them.

    Args:
        spins: +1 and -1, ``(N, H, W)``.
        side: Of a block.
        buffer: Width of the ring between block and environment that is not looked at.
        stride: Distance between blocks; it divides H and W.

    Returns:
        M = N (H / stride) (W / stride) windows, those of one configuration together. The
        environment are a ring of width 1.

    Raises:
        ValueError: If the windows do not fit on the lattice.
    """
    reach = buffer + 1
    window = side + 2 * reach
    height, width = spins.shape[-2:]
    fits = side >= 1 and buffer >= 0 and stride >= 1 and window <= min(height, width)
    if not fits or height % stride or width % stride:
        raise ValueError(
            f"got side={side}, buffer={buffer}, stride={stride} on a {height}x{width} lattice, "
            f"expected windows of {window} sites to fit and a stride >= 1 that divides the sides"
        )
    spins = nn.functional.pad(spins[:, None].float(), (0, window - 1, 0, window - 1), "circular")
    patches = spins[:, 0].unfold(1, window, stride).unfold(2, window, stride)
    patches = patches[:, : height // stride, : width // stride].reshape(-1, window, window)
    inside = torch.zeros(window, window, dtype=torch.bool, device=spins.device)
    inside[1:-1, 1:-1] = True
    block = patches[:, reach:-reach, reach:-reach].flatten(1)
    return Windows(block.clone(), patches[:, ~inside])


def split_torus(spins: Tensor, side: int) -> Windows:
    """The block in a corner of each configuration, and all other sites as its environment.

    Args:
        spins: +1 and -1, ``(N, H, W)``.
        side: Of the block.
    """
    inside = torch.zeros(spins.shape[-2:], dtype=torch.bool, device=spins.device)
    inside[:side, :side] = True
    return Windows(spins[:, inside].float(), spins[:, ~inside].float())


def donsker_varadhan(law: Tensor, scores: Tensor) -> Tensor:
    r"""``E_P(t,e) f - ln E_P(t)P(e) exp f``, a lower bound on ``I(t : e)`` in nats.

    Args:
        law: ``P(t | v)`` of each sample, ``(M, 2)``.
        scores: ``f(t, e)`` of each sample for both t, ``(M, 2)``.

    Returns:
        ``()``.

    Reference: arXiv:1801.04062.
    """
    free = (law.mean(0).log() + _log_mean_exp(scores)).logsumexp(0)
    return (law * scores).sum(1).mean() - free


def info_nce(law: Tensor, scores: Tensor) -> Tensor:
    r"""``E_P(t,e) [f(t, e) - ln 1/M sum_e' exp f(t, e')]``, a lower bound of at most ``ln M``.

    The samples e' are those of the batch, the right one included.

    Args:
        law: ``P(t | v)`` of each sample, ``(M, 2)``.
        scores: ``f(t, e)`` of each sample for both t, ``(M, 2)``.

    Returns:
        ``()``, nats.

    Reference: arXiv:1807.03748; for renormalization arXiv:2101.11633.
    """
    return (law * (scores - _log_mean_exp(scores))).sum(1).mean()


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
    r"""Find the filter whose block variable knows most about its environment.

    Filter and critic climb the sum of both bounds together, by Adam with cosine decay. A filter
    that is kept symmetric under rotations and reflections, as the model is, is free of what
    sampling noise makes of equivalent weights. A free one may know a little more: for 2x2 spins it
    lets one spin decide the ties.

    Args:
        training: Windows to learn from.
        test: Independent windows for the final bounds.
        generator: Of initial weights and batches.
        steps: Of the optimizer.
        batch_size: Windows a step.
        hidden: Width of the critic.
        learning_rate: Highest of the critic; that of the filter is ten times as high.
        symmetric: Whether the filter has the symmetry of the square.

    Raises:
        ValueError: If there are fewer training windows than in a batch, or blocks are not square.
    """
    if len(training.blocks) < batch_size:
        raise ValueError(
            f"got {len(training.blocks)} windows, expected at least batch_size={batch_size}"
        )
    if math.isqrt(training.blocks.shape[1]) ** 2 != training.blocks.shape[1]:
        raise ValueError(f"got blocks of {training.blocks.shape[1]} spins, expected square ones")
    spins, sites = training.blocks.shape[1], training.environment.shape[1]
    start, device = generator.device, training.blocks.device
    side = math.isqrt(spins)
    free = (0.1 * torch.randn(side, side, generator=generator, device=start)).to(device)
    free.requires_grad_()
    critic = _critic(sites, hidden, generator).to(device)
    groups = [
        {"params": critic.parameters(), "lr": learning_rate},
        {"params": [free], "lr": 10 * learning_rate},
    ]
    optimizer = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        chosen = torch.randint(
            len(training.blocks), (batch_size,), generator=generator, device=start
        ).to(device)
        weights = symmetrize(free) if symmetric else free
        law = block_law(training.blocks[chosen], weights.flatten())
        scores = critic(training.environment[chosen])
        loss = -(info_nce(law, scores) + donsker_varadhan(law, scores))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        weights = symmetrize(free) if symmetric else free
        law = block_law(test.blocks, weights.flatten())
        bounds = estimate(law, critic(test.environment))
    return LearnedFilter(weights * (1 if weights.sum() >= 0 else -1), bounds)


def estimate(law: Tensor, scores: Tensor, bins: int = 20) -> Bounds:
    """Both bounds on all samples, with errors by leaving out stretches of samples in turn.

    Args:
        law: ``(M, 2)``, in the order in which the samples were drawn.
        scores: ``(M, 2)``.
        bins: Number of stretches.

    Raises:
        ValueError: If there are fewer samples than bins.
    """
    if len(law) < bins:
        raise ValueError(f"got {len(law)} samples, expected at least {bins}")
    parts = torch.arange(len(law), device=law.device) * bins // len(law)
    results = []
    for bound in (donsker_varadhan, info_nce):
        without = torch.stack([bound(law[parts != b], scores[parts != b]) for b in range(bins)])
        spread = (without.double() - without.double().mean()).square().sum()
        results += [bound(law, scores).item(), ((bins - 1) / bins * spread).sqrt().item()]
    return Bounds(*results)


def _critic(sites: int, hidden: int, generator: torch.Generator) -> nn.Module:
    """A network ``(M, sites) -> (M, 2)``, with initial weights from the generator."""
    critic = nn.Sequential(
        nn.Linear(sites, hidden),
        nn.SiLU(),
        nn.Linear(hidden, hidden),
        nn.SiLU(),
        nn.Linear(hidden, 2),
    ).to(generator.device)
    for layer in critic:
        if isinstance(layer, nn.Linear):
            bound = layer.in_features**-0.5
            for parameter in (layer.weight, layer.bias):
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return critic


def _log_mean_exp(scores: Tensor) -> Tensor:
    """Over samples, ``(M, 2) -> (2,)``."""
    return scores.logsumexp(0) - math.log(len(scores))
