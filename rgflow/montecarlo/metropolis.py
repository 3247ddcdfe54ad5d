"""Metropolis with a flow's samples as proposals."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.flow import Flow
from rgflow.montecarlo.target import Target
from rgflow.montecarlo.weighted import weighted_samples
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress


class IndependenceChains(NamedTuple):
    """States of Markov chains whose proposals are independent of them.

    Attributes:
        samples: ``(T, B, *event_shape)``.
        energies: ``E`` of the samples, ``(T, B)``, float64.
        acceptance: Fraction of the proposals that were accepted; the start of a chain always is.
        log_weights: ``-E - log q`` of all ``(warmup + T) * B`` proposals in order, which serve
            importance sampling as well.
    """

    samples: Tensor
    energies: Tensor
    acceptance: float
    log_weights: Tensor


@torch.no_grad()
@takes_counts
def independence_metropolis(
    flow: Flow,
    energy: Target,
    *,
    steps: int,
    chains: int = 1,
    warmup: int = 0,
    batch_size: int = 1024,
    generator: torch.Generator,
) -> IndependenceChains:
    r"""Markov chains with proposals of the flow, exact however imperfect the flow.

    A proposal x' is accepted with probability ``min(1, w(x') / w(x))``, ``w = exp(-E) / q``. Only
    the weights matter: all proposals are drawn first, in large batches, and then a scan over the
    weights says which of them the chains visit.

    Args:
        flow: Anything with ``sample_and_log_prob``; q is the density that this really samples.
        energy: The target.
        steps: T, the number of states that are kept of each chain.
        chains: B. The first state of a chain is a plain sample of the flow.
        warmup: Steps before the first state that is kept.
        batch_size: Proposals drawn at a time.
        generator: Source of all randomness, on the flow's device.

    Raises:
        ValueError: If a number is out of its range or the event shapes differ.

    Reference: arXiv:1904.12072.
    """
    if min(steps, chains, batch_size) < 1 or warmup < 0:
        raise ValueError(
            f"got steps={steps}, chains={chains}, batch_size={batch_size}, warmup={warmup}, "
            "expected at least 1, 1, 1, 0"
        )
    shape = (warmup + steps, chains)
    proposals = weighted_samples(
        flow, energy, shape[0] * chains, batch_size=batch_size, generator=generator
    )
    uniform = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)
    visited, accepted = _scan(proposals.log_weights.view(shape).cpu(), uniform.log().cpu())
    visited = visited[warmup:].to(proposals.samples.device)
    return IndependenceChains(
        proposals.samples[visited],
        proposals.energies[visited],
        float(accepted[warmup:].double().mean()),
        proposals.log_weights,
    )


def _scan(log_weights: Tensor, log_uniform: Tensor) -> tuple[Tensor, Tensor]:
    """The proposal at which every chain is, as an index into all of them, and which were accepted.

    An overflow has no weight: it is never accepted, and a chain that starts there leaves it for
    any other proposal.
    """
    steps, chains = log_weights.shape
    log_weights = torch.where(log_weights < torch.inf, log_weights, -torch.inf)  # NaN as well
    index = torch.arange(steps * chains).view(steps, chains)
    visited, accepted = torch.empty_like(index), torch.ones(steps, chains, dtype=torch.bool)
    visited[0], current = index[0], log_weights[0]
    for t in progress(range(1, steps), "proposals"):
        accept = log_weights[t] > current + log_uniform[t]
        visited[t] = torch.where(accept, index[t], visited[t - 1])
        current = torch.where(accept, log_weights[t], current)
        accepted[t] = accept
    return visited, accepted
