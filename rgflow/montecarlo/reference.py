"""States of a target by the best sampler that is known for it, to compare a flow with."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.flow import Flow
from rgflow.montecarlo.angles import hmc_of_angles
from rgflow.montecarlo.embedded import embedded_clusters
from rgflow.montecarlo.latent import latent_hmc
from rgflow.montecarlo.metropolis import independence_metropolis
from rgflow.montecarlo.spins import clusters_of_spins
from rgflow.montecarlo.tuned import Advance, scaled_start, tuned_hmc
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for

Method = Literal["auto", "exact", "cluster", "hmc"]
FlowMethod = Literal["metropolis", "latent_hmc"]

FLOW_WARMUP = 150
"""Steps before the first state of chains that a flow proposes, or that move its latents."""
PART = 16
"""States of each chain that are drawn between two looks at the clock."""


class Reference(NamedTuple):
    """Markov chains, or independent samples, of a target.

    Attributes:
        samples: Fields, ``(T, B, C, L, L)``, float32 on the CPU.
        energies: ``E`` of the samples, ``(T, B)``, float64.
        method: ``exact`` (independent samples), ``cluster``, ``hmc``, ``metropolis`` or
            ``latent_hmc``.
        acceptance: Mean acceptance probability; 1 where nothing is rejected.
        seconds: Wall time in which these states were drawn.
        warmup_seconds: Wall time before the first of them.
        device: The device on which they were drawn.
    """

    samples: Tensor
    energies: Tensor
    method: str
    acceptance: float
    seconds: float
    warmup_seconds: float
    device: str = "cpu"


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
    energy = copy.deepcopy(energy).cpu()
    method = best_method(energy) if method == "auto" else method
    start = time.perf_counter()
    advance = _prepared(energy, method, chains, generator_for("reference", seed))
    begin = time.perf_counter()
    parts, acceptances, done = [], [], 0
    sizes = _sizes(states) if seconds is None else _sizes_within(seconds)
    for size in progress(sizes, "states"):
        part, acceptance = advance(size)
        parts.append(part.float())
        acceptances += [acceptance] * len(part)
        done += len(part)
    samples = torch.cat(parts)
    end = time.perf_counter()
    # the energies are those of the fields as they are stored
    energies = torch.stack([energy.energy(x).double() for x in samples])
    bad = int((~energies.isfinite()).sum())
    if bad:
        raise ValueError(f"got {bad} of {energies.numel()} states whose energy is not finite")
    acceptance = sum(acceptances) / done
    return Reference(samples, energies, method, acceptance, end - begin, begin - start)


def _sizes(states: int) -> list[int]:
    """Numbers of states that are drawn at a time."""
    return [min(PART, states - done) for done in range(0, states, PART)]


def _sizes_within(seconds: float) -> Iterator[int]:
    """The same until that time has passed, at least once."""
    end = time.perf_counter() + seconds
    yield PART
    while time.perf_counter() < end:
        yield PART


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

    Args:
        flow: The flow, on the device of the energy.
        energy: The target.
        method: ``metropolis``: the flow proposes; ``latent_hmc``: HMC on its latents.
        chains: B.
        states: T, the number of states of each chain after a warm-up.
        seed: Seed of the random numbers that draw the states.

    Raises:
        ValueError: If a number is out of its range, or the event shapes differ.
    """
    _check_more_than_one(chains, states)
    device = flow.device
    generator = generator_for("flow_chains", seed, device=device)
    budget = {"chains": chains, "steps": states, "warmup": FLOW_WARMUP, "generator": generator}
    start = time.perf_counter()
    if method == "metropolis":
        run = independence_metropolis(flow, energy, **budget)
    elif method == "latent_hmc":
        run = latent_hmc(flow, energy, **budget)
    else:
        raise ValueError(f"method: got {method!r}, expected metropolis or latent_hmc")
    seconds = time.perf_counter() - start
    warmup = seconds * FLOW_WARMUP / (FLOW_WARMUP + states)  # all steps cost the same
    samples, energies = run.samples.float().cpu(), run.energies.cpu()
    return Reference(
        samples, energies, method, run.acceptance, seconds - warmup, warmup, str(device)
    )


def _check_more_than_one(chains: int, states: int) -> None:
    if chains == states == 1:
        raise ValueError("got chains=1 and states=1, expected two states or more in all")


def best_method(energy: Energy) -> str:
    """What ``auto`` takes for this energy: ``exact``, ``cluster`` or ``hmc``."""
    if energy.sample is not None:
        return "exact"
    # the exact masses of a Gaussian law are as good as clusters
    return "hmc" if energy.gaussian or _hopping(energy) is None else "cluster"


def _hopping(energy: Energy) -> float | None:
    """The energy's ``cluster_hopping`` where it can be used, otherwise None.

    It must not be negative, and clusters of spins or angles need a way back to the field.
    """
    hopping, physical = energy.cluster_hopping, energy.physical
    is_usable = physical is None or (physical.kind != "field" and physical.field is not None)
    return hopping if hopping is not None and hopping >= 0 and is_usable else None


def _prepared(energy: Energy, method: str, chains: int, generator: torch.Generator) -> Advance:
    name = type(energy).__name__
    if method == "exact":
        if energy.sample is None:
            raise ValueError(f"method: got 'exact', but {name} has no sample(n, generator)")
        return _exact(energy.sample, chains, generator)
    if method not in ("cluster", "hmc"):
        raise ValueError(f"method: got {method!r}, expected auto, exact, cluster or hmc")
    hopping = _hopping(energy) if method == "cluster" else None
    if method == "cluster" and hopping is None:
        raise ValueError(
            f"method: got 'cluster' for {name}, expected an Ising or XY model, phi^4, or another "
            "energy that offers a cluster_hopping, with a coupling that is not negative"
        )
    physical = energy.physical
    kind = "field" if physical is None or physical.field is None else physical.kind
    if kind == "spins" and hopping is not None:
        return clusters_of_spins(energy, chains, generator, hopping)
    if kind == "angles":
        return hmc_of_angles(energy, chains, generator, hopping)
    noise = torch.randn(chains, *energy.event_shape, generator=generator)
    start = scaled_start(energy, noise)
    move = None if hopping is None else partial(embedded_clusters, hopping=hopping)
    return tuned_hmc(energy, start, generator, energy.spectrum, move=move)


def _exact(
    sample: Callable[[int, torch.Generator], Tensor], chains: int, generator: torch.Generator
) -> Advance:
    def advance(count: int) -> tuple[Tensor, float]:
        return sample(count * chains, generator).unflatten(0, (count, chains)), 1.0

    return advance
