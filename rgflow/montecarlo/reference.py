"""States of a target by the best sampler that is known for it, to compare a flow with."""

import math
import time
from itertools import repeat
from typing import Literal, get_args

import torch

from rgflow.energies import Energy
from rgflow.flow import Flow
from rgflow.montecarlo.growing import PART, GrowingChains, Reference, until
from rgflow.montecarlo.hybrid import hybrid_chains
from rgflow.montecarlo.latent import latent_hmc
from rgflow.montecarlo.metropolis import independence_metropolis
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.seeds import generator_for

Method = Literal["auto", "exact", "cluster", "hmc"]
FlowMethod = Literal["metropolis", "latent_hmc", "hybrid"]

FLOW_WARMUP = 150
"""Steps before the first state of chains that a flow proposes, or that move its latents."""


def needs_flow(method: str) -> bool:
    """Whether chains by that method are those that a trained flow makes fast."""
    return method in get_args(FlowMethod)


@torch.no_grad()
@takes_counts
def reference_samples(
    energy: Energy,
    *,
    chains: int = 64,
    states: int = 256,
    seed: int = 0,
    method: Method = "auto",
    seconds: float | None = None,
) -> Reference:
    """Samples the target on the CPU.

    ``auto`` takes the first of these that the energy offers (see `Energy`):

    * ``exact``: its own ``sample(n, generator)``;
    * ``cluster``: cluster updates with its ``cluster_hopping``, if that is not negative and the
      law is not Gaussian. For spins these are Swendsen-Wang sweeps, which the field follows;
      otherwise HMC with embedded clusters in between, as for the XY model and phi^4;
    * ``hmc``: HMC, for any energy.

    HMC moves the angles in the place of the field where an energy offers them. Elsewhere it tries
    masses by Fourier mode, where they may help. It keeps about one state in an autocorrelation
    time.

    Args:
        energy: The target.
        chains: B.
        states: T, the number of states of each chain.
        seed: Seed of the random numbers that draw the states.
        method: The sampler.
        seconds: If given, states are drawn for about so long instead, not counting the warm-up.

    Raises:
        ValueError: If a number is out of its range, or the method cannot sample the energy: it is
            not offered, HMC finds no step size, or states have energies that are not finite.

    >>> from rgflow.energies import GaussianField
    >>> run = reference_samples(GaussianField(side=4, m2=1.0), chains=3, states=5)
    >>> run.samples.shape, run.method
    (torch.Size([5, 3, 1, 4, 4]), 'exact')
    """
    if min(chains, states) < 1 or (seconds is not None and not 0 < seconds < math.inf):
        raise ValueError(
            f"got chains={chains}, states={states}, seconds={seconds}, "
            "expected at least 1, 1 and a positive time or none"
        )
    if seconds is None:
        _check_more_than_one(chains, states)
    run = GrowingChains.by_method(energy, chains, seed, method)
    if seconds is None:
        run.extend(states)
    else:
        run.extend_in_parts(until(time.perf_counter() + seconds, repeat(PART)))
    return run.reference()


@takes_counts
def flow_chains(
    flow: Flow,
    energy: Energy,
    method: FlowMethod,
    *,
    chains: int = 64,
    states: int = 256,
    seed: int = 0,
) -> Reference:
    """Samples the target by Markov chains that a flow makes fast; exact for any flow.

    A flow that is averaged over the square proposes single images: chains are exact with them as
    well, and their density takes an eighth of the time.

    Args:
        flow: The flow, on the device of the energy.
        energy: The target.
        method: ``metropolis``: the flow proposes; ``latent_hmc``: HMC on its latents; ``hybrid``:
            cluster moves or HMC alternated with proposals, see `hybrid_chains`.
        chains: B.
        states: T, the number of states of each chain after a warm-up.
        seed: Seed of the random numbers that draw the states.

    Raises:
        ValueError: If a number is out of its range, or the event shapes differ.
    """
    _check_more_than_one(chains, states)
    if method == "hybrid":
        if states < 1:  # before the moves are tuned
            raise ValueError(f"got states={states}, expected at least 1")
        run = hybrid_chains(flow, energy, chains=chains, seed=seed)
        run.extend(states)
        return run.reference()
    device = flow.device
    generator = generator_for("flow_chains", seed, device=device)
    budget = {"chains": chains, "steps": states, "warmup": FLOW_WARMUP, "generator": generator}
    start = time.perf_counter()
    if method == "metropolis":
        run = independence_metropolis(flow.one_image, energy, **budget)
    elif method == "latent_hmc":
        run = latent_hmc(flow.one_image, energy, **budget)
    else:
        raise ValueError(f"method: got {method!r}, expected metropolis, latent_hmc or hybrid")
    seconds = time.perf_counter() - start
    warmup = seconds * FLOW_WARMUP / (FLOW_WARMUP + states)  # all steps cost the same
    samples, energies = run.samples.float().cpu(), run.energies.cpu()
    return Reference(
        samples, energies, method, run.acceptance, seconds - warmup, warmup, str(device)
    )


def _check_more_than_one(chains: int, states: int) -> None:
    if chains == states == 1:
        raise ValueError("got chains=1 and states=1, expected two states or more in all")
