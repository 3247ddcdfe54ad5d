"""Blocks of samples: what is resampled for an error, and shifted for a baseline.

Samples of Markov chains are not independent, but chains are. The samples are cut into blocks of
equal size, whole chains or long pieces of one. The bootstrap draws blocks with replacement, and
the baseline pairs every block of one variable with another block of the other one. Both keep the
autocorrelation inside a block.
"""

import torch
from torch import Tensor

LEAST_BLOCKS = 8
"""With fewer blocks, a bootstrap of them knows its own error to no better than 30 percent."""


def check_blocks(samples: int, blocks: int) -> int:
    """Number of samples in each of `blocks` blocks of equal size.

    Raises:
        ValueError: If there are fewer than `LEAST_BLOCKS` blocks, or they do not tile the samples.
    """
    if blocks < LEAST_BLOCKS or samples % blocks or samples < 2 * blocks:
        raise ValueError(
            f"blocks: got {blocks} for {samples} samples, expected a divisor of the number of "
            f"samples between {LEAST_BLOCKS} and half of it"
        )
    return samples // blocks


def most_blocks(samples: int, most: int) -> int:
    """The largest number of blocks, at most `most`, that tiles nearly all of some samples.

    Samples that do not fill their blocks are left out by the caller: fewer than there are blocks.

    >>> most_blocks(1000, 64), most_blocks(100, 64)
    (64, 50)
    """
    return max(1, min(most, samples // 2))


def derangement(blocks: int, generator: torch.Generator) -> Tensor:
    """A random permutation ``(blocks,)`` that leaves no block at its place: one random cycle."""
    cycle = torch.randperm(blocks, generator=generator)
    shifted = torch.empty_like(cycle)
    shifted[cycle] = cycle.roll(1)
    return shifted


def partners(blocks: int, generator: torch.Generator) -> Tensor:
    """A random permutation ``(blocks,)`` that exchanges blocks in pairs, so that none stays.

    With both ``(i, j)`` and ``(j, i)``, the products of latents a and b in one order are those of
    b and a in the other one, as within a sample. An odd number of blocks has one cycle of three.
    """
    cycle = torch.randperm(blocks, generator=generator)
    exchanged = cycle.clone()
    even = blocks // 2 * 2
    exchanged[:even] = cycle[:even].view(-1, 2).flip(1).flatten()
    if blocks % 2:
        exchanged[-3:] = cycle[-3:].roll(1)
    permutation = torch.empty_like(cycle)
    permutation[cycle] = exchanged
    return permutation


def deranged(x: Tensor, blocks: int, generator: torch.Generator) -> Tensor:
    """Samples ``(N, ...)`` in whose rows blocks have changed places, so that none stays."""
    return x.unflatten(0, (blocks, -1))[derangement(blocks, generator)].flatten(0, 1)


def bootstrap_weights(blocks: int, resamples: int, generator: torch.Generator) -> Tensor:
    """Weights of the blocks in each bootstrap sample, ``(resamples, blocks)`` float64.

    They are the numbers of times that each block is drawn, with their deviations from one scaled
    to the variance one in every row. Otherwise that variance, and with it the bias of all squared
    correlations, would differ from row to row, and the mean over many weak pairs would get an
    error many times too large.
    """
    drawn = torch.randint(blocks, (resamples, blocks), generator=generator)
    counts = torch.zeros(resamples, blocks, dtype=torch.float64)
    counts = counts.scatter_add(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    deviation = counts - 1
    scale = deviation.square().mean(1, keepdim=True).sqrt().clamp_min(1e-9)  # all drawn once
    return 1 + deviation / scale
