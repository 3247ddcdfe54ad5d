"""Cluster or HMC moves alternated with proposals of a flow."""

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.flow import Flow
from rgflow.montecarlo.growing import GrowingChains
from rgflow.montecarlo.moves import moves_of
from rgflow.montecarlo.tuned_chains import Advance
from rgflow.montecarlo.weighted import weighted_samples
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_same_events
from rgflow.runtime.seeds import generator_for

BATCH = 1024
"""Proposals drawn at a time."""


@takes_counts
def hybrid_chains(flow: Flow, energy: Energy, *, chains: int = 64, seed: int = 0) -> GrowingChains:
    r"""Chains that alternate a local move with a proposal of a flow, exact for any flow.

    Each state follows from the last one by a move that keeps the law, of `moves_of` (of HMC as
    many trajectories as decorrelate one kept state from the next), and then by independence
    Metropolis: a sample x' of the flow is accepted with probability
    ``min(1, w(x') / w(x))``, ``w = exp(-E) / q``, where q is the density that the flow really
    samples, with ``z2`` the mixture of both signs. A flow that is averaged over the square
    proposes single images, whose density takes an eighth of the time. The proposals bring fields
    that the moves reach slowly, and the moves bring chains away from states that the flow makes
    too rare, where plain proposals stay for as long as the weight is large.

    The moves are on the CPU, the flow and the densities on its device. The acceptance of the
    states is that of the proposals.

    Args:
        flow: The flow.
        energy: The target, on the flow's device.
        chains: B.
        seed: Seed of all random numbers.

    Raises:
        ValueError: If there is no chain, the event shapes differ, or HMC cannot move the energy.

    Reference: arXiv:1904.12072 for the proposals; augmented by updates such as HMC
    arXiv:2107.00734.
    """
    check_same_events(flow, energy)
    flow = flow.one_image

    def prepare(on_cpu: Energy) -> Advance:
        moves = moves_of(on_cpu, chains, generator_for("hybrid", seed))
        generator = generator_for("hybrid proposals", seed, device=flow.device)
        x = moves.start.to(flow.dtype)

        def log_weights(x: Tensor) -> Tensor:
            there = x.to(flow.device)
            return (-energy.energy(there).double() - flow.log_prob(there).double()).cpu()

        def advance(count: int) -> tuple[Tensor, float]:
            nonlocal x
            drawn = weighted_samples(
                flow, energy, count * chains, batch_size=BATCH, generator=generator, device="cpu"
            )
            shape = (count, chains)
            proposals = drawn.samples.unflatten(0, shape)
            new = drawn.log_weights.view(shape)
            new = torch.where(new < torch.inf, new, -torch.inf)  # an overflow has no weight
            uniform = torch.rand(
                shape, generator=generator, device=generator.device, dtype=torch.float64
            )
            log_uniform = uniform.log().cpu()
            states, accepted = torch.empty_like(proposals), 0
            for t in range(count):
                x = moves.move(x)
                accept = new[t] > log_weights(x) + log_uniform[t]
                x = torch.where(accept.view(-1, *[1] * (x.dim() - 1)), proposals[t], x)
                states[t], accepted = x, accepted + int(accept.sum())
            return states, accepted / (count * chains)

        advance(1)  # what is only loaded for the first state does not count as its cost
        return advance

    return GrowingChains(energy, chains, "hybrid", prepare, str(flow.device))
