"""States of a target by the best sampler that is known for it, to compare a flow with."""

import copy
import math
import time
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from rgflow.energies import XY, ComplexPhi4, Energy, Ising, Phi4
from rgflow.energies.user import own_sampler
from rgflow.flow import Flow
from rgflow.montecarlo import (
    embedded_clusters,
    independence_metropolis,
    latent_hmc,
    swendsen_wang,
)
from rgflow.montecarlo.angles import hmc_of_angles
from rgflow.montecarlo.tuned import Advance, scaled_start, tuned_hmc
from rgflow.runtime.seeds import generator_for

Method = Literal["auto", "exact", "cluster", "hmc"]
FlowMethod = Literal["metropolis", "latent_hmc"]

FLOW_WARMUP = 150
"""Steps of chains that a flow proposes, or that move in its latent space."""
CLUSTER_WARMUP = 100
"""Sweeps; the autocorrelation time at the critical point is below ten on any lattice here."""
PART = 16
"""States of each chain between two looks at the clock."""


class Reference(NamedTuple):
    """Markov chains, or independent samples, of a target.

    Attributes:
        samples: Fields, ``(T, B, C, L, L)``, float32 on the CPU.
        energies: ``E`` of the samples, ``(T, B)``, float64.
        method: ``exact`` (independent samples), ``cluster``, ``hmc``, ``metropolis`` or
            ``latent_hmc``.
        acceptance: Mean acceptance probability; 1 where nothing is rejected.
        seconds: Wall time of these states.
        warmup_seconds: Wall time before the first of them.
        device: Where they were drawn.
    """

    samples: Tensor
    energies: Tensor
    method: str
    acceptance: float
    seconds: float
    warmup_seconds: float
    device: str = "cpu"


@torch.no_grad()
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

    ``auto`` takes, in this order,

    * an energy's own ``sample(n, generator)``, which must be exact;
    * for `Ising` Swendsen-Wang spins, and the field given them;
    * for `XY` and interacting phi^4, real or complex, HMC with embedded clusters in between;
    * HMC: for free fields, where neighbours repel, and for a user's own energy.

    Of chains about one state in an autocorrelation time is kept. Masses by Fourier mode are tried
    where they may help; `XY` moves in the space of its angles.

    Args:
        energy: The target.
        chains: B.
        states: T, states of each chain.
        seed: Of the states.
        method: The sampler.
        seconds: If given, states are drawn for about so long instead, without the warm-up.

    Raises:
        ValueError: If a number is out of its range, or the energy cannot be sampled so: HMC finds
            no step size, or states have energies that are not finite.

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
    while done < states if seconds is None else not done or time.perf_counter() < begin + seconds:
        part, acceptance = advance(PART if seconds is not None else min(PART, states - done))
        parts.append(part.float())
        acceptances += [acceptance] * len(part)
        done += len(part)
    samples = torch.cat(parts)
    end = time.perf_counter()
    # of the fields as they are stored
    energies = torch.stack([energy.energy(x).double() for x in samples])
    bad = int((~energies.isfinite()).sum())
    if bad:
        raise ValueError(f"got {bad} of {energies.numel()} states whose energy is not finite")
    acceptance = sum(acceptances) / done
    return Reference(samples, energies, method, acceptance, end - begin, begin - start)


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
        flow: On the device of the energy.
        energy: The target.
        method: ``metropolis``: the flow proposes; ``latent_hmc``: HMC on its latents.
        chains: B.
        states: T, states of each chain after a warm-up.
        seed: Of the states.

    Raises:
        ValueError: If a number is out of its range or shapes differ.
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
    warmup = seconds * FLOW_WARMUP / (FLOW_WARMUP + states)  # steps of equal cost
    samples, energies = run.samples.float().cpu(), run.energies.cpu()
    return Reference(
        samples, energies, method, run.acceptance, seconds - warmup, warmup, str(device)
    )


def _check_more_than_one(chains: int, states: int) -> None:
    if chains == states == 1:
        raise ValueError("got chains=1, states=1, expected two states or more in all")


def best_method(energy: Energy) -> str:
    """What ``auto`` takes for this energy: ``exact``, ``cluster`` or ``hmc``."""
    if own_sampler(energy) is not None:
        return "exact"
    free = isinstance(energy, (Phi4, ComplexPhi4)) and energy.lam == 0  # exact masses do as well
    return "hmc" if free or _hopping(energy) is None else "cluster"


def _hopping(energy: Energy) -> float | None:
    """t of ``-t sum_<ij> phi_i . phi_j``, where clusters are known and t is not negative."""
    hopping = None
    if isinstance(energy, (Ising, XY)):
        hopping = energy.coupling
    elif isinstance(energy, Phi4):
        hopping = 2.0
    elif isinstance(energy, ComplexPhi4):
        hopping = energy.t
    return hopping if hopping is not None and hopping >= 0 else None


def _prepared(energy: Energy, method: str, chains: int, generator: torch.Generator) -> Advance:
    name = type(energy).__name__
    if method == "exact":
        if own_sampler(energy) is None:
            raise ValueError(f"method: got 'exact', but {name} has no sample(n, generator)")
        return _exact(energy, chains, generator)
    if method not in ("cluster", "hmc"):
        raise ValueError(f"method: got {method!r}, expected auto, exact, cluster or hmc")
    clusters = method == "cluster"
    hopping = _hopping(energy)
    if clusters and hopping is None:
        raise ValueError(
            f"method: got 'cluster' for {name}, expected an Ising or XY model or phi^4, with a "
            "coupling or hopping that is not negative"
        )
    if clusters and isinstance(energy, Ising):
        return _spins(energy, chains, generator)
    if isinstance(energy, XY):
        return hmc_of_angles(energy, chains, generator, clusters=clusters)
    noise = torch.randn(chains, *energy.event_shape, generator=generator)
    start = scaled_start(energy, noise)
    move = partial(embedded_clusters, hopping=hopping) if clusters else None
    return tuned_hmc(energy, start, generator, energy.spectrum, move=move)


def _exact(energy: Energy, chains: int, generator: torch.Generator) -> Advance:
    sample = own_sampler(energy)

    def advance(count: int) -> tuple[Tensor, float]:
        return sample(count * chains, generator).unflatten(0, (count, chains)), 1.0

    return advance


def _spins(energy: Ising, chains: int, generator: torch.Generator) -> Advance:
    side = energy.event_shape[-1]

    def sweeps(count: int, warmup: int, spins: Tensor | None) -> Tensor:
        run = swendsen_wang(
            side,
            side,
            energy.coupling,
            sweeps=count,
            chains=chains,
            warmup=warmup,
            generator=generator,
            spins=spins,
        )
        return run.samples  # (T, B, L, L)

    last = sweeps(1, CLUSTER_WARMUP, None)[-1]

    def advance(count: int) -> tuple[Tensor, float]:
        nonlocal last
        spins = sweeps(count, 0, last)
        last = spins[-1]
        fields = energy.field(spins.flatten(0, 1)[:, None].float(), generator)
        return fields.unflatten(0, (count, chains)), 1.0

    return advance
