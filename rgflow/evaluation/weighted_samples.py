"""Samples of a flow with their weights towards a target, and states of the target with theirs."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.flow import Flow
from rgflow.runtime.seeds import generator_for


class WeightedSamples(NamedTuple):
    """Independent samples of a flow with their weights towards a target, on the CPU.

    Attributes:
        samples: ``(n, C, L, L)``, float32.
        energies: ``E``, ``(n,)``, float64.
        log_weights: ``-E - log q``, ``(n,)``, float64.
    """

    samples: Tensor
    energies: Tensor
    log_weights: Tensor


@torch.no_grad()
def draw_weighted(
    flow: Flow, energy: Energy, samples: int, *, seed: int = 0, batch_size: int = 2048
) -> WeightedSamples:
    """Draws samples of a flow and weighs them.

    Args:
        flow: On any device.
        energy: The target.
        samples: n.
        seed: Of the samples; on another device, or in batches of another size, they are others.
        batch_size: Samples at a time.

    Raises:
        ValueError: If a number is not positive, or the event shapes differ.
    """
    if min(samples, batch_size) < 1:
        raise ValueError(
            f"got samples={samples} and batch_size={batch_size}, expected at least 1 and 1"
        )
    _check_shapes(flow, energy)
    generator = generator_for("evaluation", seed, device=flow.device)
    parts = []
    for start in range(0, samples, batch_size):
        x, log_q = flow.sample_and_log_prob(min(batch_size, samples - start), generator=generator)
        energies = energy.energy(x).double()
        log_weights = -energies - log_q.double()
        parts.append((x.float().cpu(), energies.cpu(), log_weights.cpu()))
    return WeightedSamples(*(torch.cat(column) for column in zip(*parts, strict=True)))


@torch.no_grad()
def log_weights_of(flow: Flow, x: Tensor, energies: Tensor, batch_size: int = 2048) -> Tensor:
    """``-E - log q`` of given states, on the CPU in float64.

    Args:
        flow: On any device.
        x: ``(..., C, L, L)``.
        energies: ``E`` of the states, ``(...)``.
        batch_size: States at a time.
    """
    log_q = [
        flow.log_prob(part.to(flow.device, flow.dtype)).double().cpu()
        for part in x.flatten(0, -4).split(batch_size)
    ]
    return -energies - torch.cat(log_q).view_as(energies)


def _check_shapes(flow: Flow, energy: Energy) -> None:
    if tuple(flow.event_shape) != tuple(energy.event_shape):
        raise ValueError(
            f"the flow samples {tuple(flow.event_shape)}, "
            f"the energy acts on {tuple(energy.event_shape)}"
        )
