"""Samples of a flow, and states of the target, with their weights, for a report."""

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.flow import Flow
from rgflow.montecarlo.weighted import WeightedSamples, weighted_samples
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.seeds import generator_for


@takes_counts
def draw_weighted(
    flow: Flow, energy: Energy, samples: int, *, seed: int = 0, batch_size: int = 2048
) -> WeightedSamples:
    """Draws samples of a flow and weighs them; they come to the CPU, in float32.

    Args:
        flow: The flow, on any device.
        energy: The target, on the same device.
        samples: Number of samples.
        seed: Seed of the random numbers that draw the samples, which are others on another device
            or in batches of another size.
        batch_size: Samples drawn at a time.

    Raises:
        ValueError: If a number is not positive, or the event shapes differ.
    """
    generator = generator_for("evaluation", seed, device=flow.device)
    drawn = weighted_samples(
        flow, energy, samples, batch_size=batch_size, generator=generator, device="cpu"
    )
    return drawn._replace(samples=drawn.samples.float())


@torch.no_grad()
def log_weights_of(flow: Flow, x: Tensor, energies: Tensor, batch_size: int = 2048) -> Tensor:
    """``-E - log q`` of given states, on the CPU in float64.

    Args:
        flow: The flow, on any device.
        x: States, ``(..., C, L, L)``.
        energies: ``E`` of the states, ``(...)``.
        batch_size: States that go through the flow at a time.
    """
    log_q = [
        flow.log_prob(part.to(flow.device, flow.dtype)).double().cpu()
        for part in x.flatten(0, -4).split(batch_size)
    ]
    return -energies - torch.cat(log_q).view_as(energies)
