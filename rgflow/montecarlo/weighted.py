"""Samples of a flow with their weights towards a target."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.flow import Flow
from rgflow.montecarlo.target import Target
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_same_events
from rgflow.runtime.progress import progress


class WeightedSamples(NamedTuple):
    """Independent samples of a flow with their weights towards a target.

    Attributes:
        samples: ``(n, *event_shape)``.
        energies: ``E`` of the samples, ``(n,)``, float64.
        log_weights: ``-E - log q`` of the samples, ``(n,)``, float64.
    """

    samples: Tensor
    energies: Tensor
    log_weights: Tensor


@torch.no_grad()
@takes_counts
def weighted_samples(
    flow: Flow,
    energy: Target,
    n: int,
    *,
    batch_size: int,
    generator: torch.Generator,
    device: torch.device | str | None = None,
) -> WeightedSamples:
    """Draws samples of a flow in batches and weighs them.

    Args:
        flow: The flow, or anything else with ``sample_and_log_prob``; q is the density that it
            really samples.
        energy: The target, on the flow's device.
        n: Number of samples.
        batch_size: Samples drawn at a time.
        generator: Source of the samples, on the flow's device.
        device: Where the samples are kept; where the flow is if None.

    Raises:
        ValueError: If a number is not positive, or the event shapes differ.
    """
    if min(n, batch_size) < 1:
        raise ValueError(f"got samples={n} and batch_size={batch_size}, expected at least 1 and 1")
    check_same_events(flow, energy)
    parts = []
    for start in progress(range(0, n, batch_size), "batches of samples"):
        x, log_q = flow.sample_and_log_prob(min(batch_size, n - start), generator=generator)
        energies = energy.energy(x).double()
        part = WeightedSamples(x, energies, -energies - log_q.double())
        parts.append(part if device is None else [column.to(device) for column in part])
    return WeightedSamples(*(torch.cat(column) for column in zip(*parts, strict=True)))
