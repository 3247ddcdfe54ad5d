"""How sparse latents and receptive fields are, level by level, with bootstrap errors."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.generation_layers import level_of_latents
from rgflow.analysis.receptive_fields import ReceptiveFields
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field
from rgflow.runtime.seeds import generator_for

RESAMPLES = 200
FEWEST = 8  # samples for a kurtosis with an error


class ByLevel(NamedTuple):
    """A number for each level and its standard error, both ``(H,)``, fine to coarse."""

    value: Tensor
    error: Tensor


class FieldSparsity(NamedTuple):
    """How sparse each receptive field is.

    Attributes:
        kurtosis: Excess kurtosis of the L^2 entries of each, ``(M,)``.
        pixels: Its effective number of pixels, ``(sum R)^2 / sum R^2``, from 1 to L^2, ``(M,)``.
        strength: Its sum over pixels, ``(M,)``.
    """

    kurtosis: Tensor
    pixels: Tensor
    strength: Tensor


def excess_kurtosis(values: Tensor, dim: int = 0) -> Tensor:
    """``<(v - <v>)^4> / <(v - <v>)^2>^2 - 3``: 0 for normal numbers, 3 for the Laplace law."""
    away = values.double() - values.double().mean(dim, keepdim=True)
    second, fourth = away.square().mean(dim), away.pow(4).mean(dim)
    return fourth / second.square() - 3


@torch.no_grad()
@takes_counts
def latent_kurtosis(
    flow: Flow,
    z: Tensor,
    resamples: int = RESAMPLES,
    seed: int = 0,
    chains: int | None = None,
) -> ByLevel:
    """The excess kurtosis of the latents of each level.

    It is ``sum_l m4_l / sum_l m2_l^2 - 3`` with the central moments over samples of each latent l
    of the level: a mean of their kurtosis with the weights ``m2_l^2``. The bootstrap over samples
    gives its error and takes off its bias, which is larger for few samples.

    Args:
        flow: The flow.
        z: Latents of test images or states of the target, ``(N, C, L, L)``, as `Flow.encode`
            gives them.
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.
        chains: Number of Markov chains that the samples are states of, all equally long and one
            after another. States of a chain resemble each other, so that whole chains are drawn
            in the bootstrap. None for independent samples.

    Raises:
        ValueError: For fewer than `FEWEST` samples, another shape, integers, or a number of
            chains that is below 2 or does not divide that of the samples.
    """
    check_field(z, "latent_kurtosis")
    if len(z) < FEWEST or tuple(z.shape[1:]) != tuple(flow.event_shape):
        raise ValueError(
            f"latents: got shape {tuple(z.shape)}, expected (N, *{tuple(flow.event_shape)}) with "
            f"N of at least {FEWEST}"
        )
    drawn = len(z) if chains is None else chains
    if drawn < 2 or len(z) % drawn:
        raise ValueError(f"chains: got {chains}, expected 2 or more that divide {len(z)} samples")
    level = level_of_latents(flow).to(z.device)
    by_sample = z.double().permute(0, 2, 3, 1).flatten(1, 2)  # (N, L L, C)
    results = []
    for h in range(int(level.max()) + 1):
        values = by_sample[:, (level == h).flatten()].flatten(1)  # (N, latents)
        values = values - values.mean(0)
        weights = _resampled(drawn, resamples, generator_for("kurtosis", seed, h)).to(values)
        weights = weights.repeat_interleave(len(z) // drawn, 1) * (drawn / len(z))
        found = _pooled_kurtosis(values, weights)
        results.append((2 * found[0] - found[1:].mean(), found[1:].std()))
    return ByLevel(*(torch.stack(parts) for parts in zip(*results, strict=True)))


def _pooled_kurtosis(values: Tensor, weights: Tensor) -> Tensor:
    """The kurtosis over rows, pooled over columns, for several weights ``(R, N)`` of rows."""
    m1, m2, m3, m4 = (weights @ values.pow(k) for k in (1, 2, 3, 4))  # raw moments, (R, latents)
    second = m2 - m1**2
    fourth = m4 - 4 * m1 * m3 + 6 * m1**2 * m2 - 3 * m1**4
    return fourth.mean(1) / second.square().mean(1) - 3


def _resampled(count: int, resamples: int, generator: torch.Generator) -> Tensor:
    """Weights of samples: equal ones, then those of the bootstrap, ``(1 + resamples, count)``."""
    drawn = torch.randint(count, (resamples, count), generator=generator)
    counts = torch.zeros(resamples, count, dtype=torch.float64)
    counts.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
    return torch.cat((torch.ones(1, count, dtype=torch.float64), counts)) / count


def field_sparsity(fields: ReceptiveFields) -> FieldSparsity:
    """The kurtosis, the effective number of pixels and the strength of each receptive field."""
    entries = fields.mean.double().flatten(1)  # (M, L L)
    strength = entries.sum(1)
    pixels = strength.square() / entries.square().sum(1)
    return FieldSparsity(excess_kurtosis(entries, 1), pixels, strength)


@takes_counts
def mean_by_level(
    values: Tensor, levels: Tensor, resamples: int = RESAMPLES, seed: int = 0
) -> ByLevel:
    """The mean of a number over the latents of each level, with its bootstrap error over them.

    Args:
        values: One for each latent, ``(M,)``.
        levels: The level of each, ``(M,)``.
        resamples: Number of bootstrap resamples.
        seed: Seed of the bootstrap.

    Returns:
        NaN for a level of which there is no latent; its error is NaN for a single one.
    """
    results = []
    for h in range(int(levels.max()) + 1):
        own = values[levels == h].double()
        if not len(own):
            results.append((own.new_tensor(torch.nan),) * 2)
            continue
        weights = _resampled(len(own), resamples, generator_for("bootstrap", seed, h)).to(own)
        found = weights @ own
        error = found[1:].std() if len(own) > 1 else found.new_tensor(torch.nan)
        results.append((found[0], error))
    return ByLevel(*(torch.stack(parts) for parts in zip(*results, strict=True)))


@takes_counts
def strongest(fields: ReceptiveFields, level: int, count: int) -> Tensor:
    """Indices of the latents of a level to which the pixels respond most, strongest first."""
    return _first(fields, level, count, -field_sparsity(fields).strength)


@takes_counts
def sparsest(fields: ReceptiveFields, level: int, count: int) -> Tensor:
    """Indices of the latents of a level with the fewest effective pixels, sparsest first."""
    return _first(fields, level, count, field_sparsity(fields).pixels)


def _first(fields: ReceptiveFields, level: int, count: int, key: Tensor) -> Tensor:
    (of_level,) = torch.where(fields.levels == level)
    return of_level[key[of_level].argsort(stable=True)[:count]]
