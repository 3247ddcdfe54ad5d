"""How well a flow of complex fields has the symmetry U(1), a turn of all phases."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rgflow.flow import Flow
from rgflow.lattice.phases import turned_phases
from rgflow.montecarlo.reference import Reference
from rgflow.observables import magnetization
from rgflow.runtime.counts import takes_counts
from rgflow.statistics import Measured, mean_with_error

HARMONICS = 4
"""Harmonics of the phase of the magnetization."""
STATES, ANGLES = 512, 16
"""Number of states that are turned, and by how many angles."""


class PhaseSymmetry(NamedTuple):
    r"""What is left of a symmetry in a flow that has it only as far as it has learnt it.

    Attributes:
        spread: Standard deviation over the angles a of ``log q(exp(i a) x)``, in nats, averaged
            over states x; 0 for a symmetric density.
        resultants: ``|<exp(i n theta)>|`` of the phase theta of the magnetization of samples of
            the flow, for n = 1 to `HARMONICS`; 0 in a symmetric law.
        noise: What a resultant is on average if the phase of so many samples is uniform,
            ``sqrt(pi / (4 N))``.
    """

    spread: Measured
    resultants: tuple[float, ...]
    noise: float


@torch.no_grad()
@takes_counts
def phase_symmetry(
    flow: Flow, states: Tensor, samples: Tensor, angles: int = ANGLES, batch_size: int = 2048
) -> PhaseSymmetry:
    r"""Measures U(1) on states of the target, and on samples of the flow without weights.

    Args:
        flow: A flow of fields of two components.
        states: Independent states, best of the target, ``(B, 2, L, L)``, on any device.
        samples: Samples of the flow, ``(N, 2, L, L)``.
        angles: Number of angles, ``2 pi j / angles``.
        batch_size: Fields that go through the flow at a time.

    Raises:
        ValueError: If there are not two components, or fewer than two states or angles.

    >>> from rgflow.models import ConvLevels, Outside, conv_flow
    >>> outside = Outside(prior="gaussian")
    >>> flow = conv_flow(4, 2, ConvLevels(1, hidden=2), outside=outside)  # still the prior
    >>> x = flow.sample(100)
    >>> phase_symmetry(flow, x, x).spread.value < 1e-5
    True
    """
    if states.dim() != 4 or states.shape[1] != 2 or len(states) < 2 or angles < 2:
        raise ValueError(
            f"got states {tuple(states.shape)} and {angles} angles, expected (B, 2, L, L) with "
            "two states and two angles or more"
        )
    turns = 2 * math.pi * torch.arange(angles, dtype=torch.float64) / angles
    fields = states.double().repeat_interleave(angles, 0)
    parts = turned_phases(fields, turns.repeat(len(states))).split(batch_size)
    log_q = torch.cat([flow.log_prob(x.to(flow.device, flow.dtype)).double() for x in parts])
    spread = mean_with_error(log_q.view(-1, angles).std(1).cpu())
    mean = torch.complex(*magnetization(samples).unbind(-1))
    phases = mean / mean.abs()
    resultants = tuple(float((phases**n).mean().abs()) for n in range(1, HARMONICS + 1))
    return PhaseSymmetry(spread, resultants, math.sqrt(math.pi / (4 * len(samples))))


def phase_report(flow: Flow, samples: Tensor, reference: Reference | None) -> dict[str, Any]:
    """`phase_symmetry` in plain numbers, on states of the target or else on the flow's samples.

    Args:
        flow: A flow of fields of two components.
        samples: Samples of the flow, ``(N, 2, L, L)``.
        reference: States of the target; a few of each chain are turned.
    """
    states = samples if reference is None else reference.samples.flatten(0, 1)
    found = phase_symmetry(flow, states[:: max(1, len(states) // STATES)][:STATES], samples)
    return {
        "spread_nats": found.spread.value,
        "spread_nats_error": found.spread.error,
        "resultants": list(found.resultants),
        "resultant_of_uniform_phases": found.noise,
    }
