"""Samples at temperatures that differ from level to level, and how many of them are broken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.broken import broken_samples
from rgflow.analysis.generation_layers import level_of_latents, scales_of
from rgflow.bijectors.pixels import to_image
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for

PART = 256  # samples that are drawn at a time
_ONE_SIGMA = math.erf(0.5**0.5)  # probability within one standard deviation of a normal law


class TemperatureSheet(NamedTuple):
    """Samples in cells, each with its temperatures of the levels.

    Attributes:
        temperatures: The temperature of each level in each cell, ``(cells, H)``, fine to coarse.
        samples: The first samples of each cell, ``(cells, shown, C, L, L)``.
        broken: The share of broken samples in each cell, ``(cells,)``; NaN if not counted.
        broken_error: Half the width of its 68% interval (Wilson), ``(cells,)``.
        count: Number of samples in each cell.
    """

    temperatures: Tensor
    samples: Tensor
    broken: Tensor
    broken_error: Tensor
    count: int


def two_temperatures(
    flow: Flow, lows: Sequence[float], highs: Sequence[float], cut: int
) -> list[list[float]]:
    """Temperatures of all levels for each pair: T_low below the level ``cut``, T_high from it on.

    The pairs are in the order of the rows of a table with a row for each of ``highs``.

    Raises:
        ValueError: If the cut is not a level above the finest, or the flow has no levels.

    >>> from rgflow.models import ConvLevels, conv_flow
    >>> flow = conv_flow(side=8, channels=1, levels=ConvLevels(couplings=2, hidden=8))
    >>> two_temperatures(flow, [0.2, 1.0], [0.8], 1)
    [[0.2, 0.8], [1.0, 0.8]]
    """
    count = level_count(flow)
    if not 1 <= cut < count:
        raise ValueError(f"cut: got {cut}, expected 1 to {count - 1} for a flow of {count} levels")
    return [[low] * cut + [high] * (count - cut) for high in highs for low in lows]


def one_level_at_a_time(
    flow: Flow, values: Sequence[float], others: float = 1.0
) -> list[list[float]]:
    """Temperatures of all levels where one of them varies: a row of a table for each level.

    Raises:
        ValueError: If the flow has no levels.
    """
    count = level_count(flow)
    return [
        [value if h == level else others for h in range(count)]
        for level in range(count)
        for value in values
    ]


@torch.no_grad()
@takes_counts
def temperature_sheet(
    flow: Flow,
    temperatures: Sequence[Sequence[float]],
    n: int = 256,
    *,
    shown: int = 1,
    count_broken: bool = False,
    seed: int = 0,
) -> TemperatureSheet:
    """Samples with the same random numbers at several temperatures of the levels.

    Args:
        flow: The flow.
        temperatures: For each cell one temperature for each level, fine to coarse, for instance
            from `two_temperatures` or `one_level_at_a_time`.
        n: Number of samples in each cell, if broken ones are counted.
        shown: Number of samples that are kept in each cell.
        count_broken: Whether broken samples are counted, see `broken_samples`; this has a meaning
            for flows trained on MSDS.
        seed: Seed of the draws.

    Raises:
        ValueError: For temperatures that are negative, not finite, or not one for each level, for
            no cell, or fewer than one sample.

    Reference: arXiv:2010.00029 shows samples at 0.2 below the cut and 0.8 above it.
    """
    level = level_of_latents(flow)
    table = torch.as_tensor(temperatures, dtype=torch.float64)
    if table.dim() != 2 or not len(table) or table.shape[1] != int(level.max()) + 1:
        raise ValueError(
            f"temperatures: got a table of shape {tuple(table.shape)}, expected one or more rows "
            f"of {int(level.max()) + 1} numbers, one for each level"
        )
    if not ((table >= 0) & table.isfinite()).all():
        raise ValueError("temperatures: got a negative or infinite one, expected finite >= 0")
    if min(n, shown) < 1:
        raise ValueError(f"got n={n} and shown={shown}, expected at least 1")
    n = max(n, shown) if count_broken else shown
    generator = generator_for("temperature sheet", seed, device=flow.device)
    latents = flow.prior.sample(n, 1.0, generator)
    samples, shares, errors = [], [], []
    for row in progress(table, "cells of temperatures"):
        by_site = row.to(latents)[level.to(flow.device)]  # (L, L)
        broken = 0
        for start in range(0, n, PART):
            x = flow.decode(latents[start : start + PART] * by_site)
            if start == 0:
                samples.append(x[:shown].clone())
            if count_broken:
                broken += int(broken_samples(to_image(x)).sum())
        share, error = share_with_error(broken, n) if count_broken else (math.nan, math.nan)
        shares.append(share)
        errors.append(error)
    numbers = (torch.tensor(part, dtype=torch.float64) for part in (shares, errors))
    return TemperatureSheet(table, torch.stack(samples), *numbers, n)


def share_with_error(successes: int, n: int) -> tuple[float, float]:
    """A share and half the width of its 68% interval by Wilson, which is never 0.

    >>> share_with_error(0, 99)
    (0.0, 0.005)
    """
    from scipy.stats import binomtest

    interval = binomtest(successes, n).proportion_ci(_ONE_SIGMA, method="wilson")
    return successes / n, round(float(interval.high - interval.low) / 2, 12)


def level_count(flow: Flow) -> int:
    """The number of levels of a flow.

    Raises:
        ValueError: If it has none.
    """
    scales = scales_of(flow)
    if scales is None:
        raise ValueError("the flow has no levels, expected a MERA for temperatures by level")
    return scales.levels
