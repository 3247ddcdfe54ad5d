"""States of a target by the best sampler that is known for it, to compare a flow with."""

import copy
import math
import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from rgflow.energies import XY, Energy, Ising
from rgflow.energies.user import UserEnergy
from rgflow.montecarlo import HMCChains, Target, hmc, swendsen_wang
from rgflow.seeds import generator_for
from rgflow.statistics import integrated_autocorrelation_time

Method = Literal["auto", "exact", "cluster", "hmc"]

CLUSTER_WARMUP = 100
"""Sweeps; the autocorrelation time at the critical point is below ten on any lattice here."""
HMC_WARMUP = 200
"""Trajectories in which the step size is tuned, then as many that measure autocorrelation."""
HMC_LENGTH = 1.5
"""Mean length of a trajectory: the best of 0.5 to 3 per second, on phi^4 with sides 8 and 32."""
MAX_THIN = 32
"""Most trajectories between two states that are kept."""
PART = 16
"""States of each chain between two looks at the clock."""


class Reference(NamedTuple):
    """Markov chains, or independent samples, of a target.

    Attributes:
        samples: Fields, ``(T, B, C, L, L)``, float32 on the CPU.
        energies: ``E`` of the samples, ``(T, B)``, float64.
        method: ``exact`` (independent samples), ``cluster`` or ``hmc``.
        acceptance: Mean acceptance probability; 1 where nothing is rejected.
        seconds: Wall time of these states.
        warmup_seconds: Wall time before the first of them.
    """

    samples: Tensor
    energies: Tensor
    method: str
    acceptance: float
    seconds: float
    warmup_seconds: float


# Gives the next so many states of all chains (T, B, C, L, L), and their acceptance
_Advance = Callable[[int], tuple[Tensor, float]]


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

    ``auto`` takes an energy's own ``sample(n, generator)``, which must be exact; for an Ising
    model of positive coupling Swendsen-Wang spins and the field given them; otherwise HMC, Fourier
    accelerated where the energy has a spectrum, which keeps one state in about an
    autocorrelation time; for `XY` in the space of its angles.

    Args:
        energy: The target.
        chains: B.
        states: T, states of each chain.
        seed: Of the states.
        method: The sampler.
        seconds: If given, states are drawn for about so long instead, without the warm-up.

    Raises:
        ValueError: If a number is out of its range, or the energy cannot be sampled so.

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
    acceptance = sum(acceptances) / done
    return Reference(samples, energies, method, acceptance, end - begin, begin - start)


def best_method(energy: Energy) -> str:
    """What ``auto`` takes for this energy: ``exact``, ``cluster`` or ``hmc``."""
    if _own_sampler(energy) is not None:
        return "exact"
    return "cluster" if isinstance(energy, Ising) and energy.coupling >= 0 else "hmc"


def _own_sampler(energy: Energy) -> Callable[..., Tensor] | None:
    model = energy.inner if isinstance(energy, UserEnergy) else energy
    return getattr(model, "sample", None)


def _prepared(energy: Energy, method: str, chains: int, generator: torch.Generator) -> _Advance:
    name = type(energy).__name__
    if method == "exact":
        if _own_sampler(energy) is None:
            raise ValueError(f"method: got 'exact', but {name} has no sample(n, generator)")
        return _exact(energy, chains, generator)
    if method == "cluster":
        if not isinstance(energy, Ising):
            raise ValueError(f"method: got 'cluster' for {name}, expected an Ising model")
        return _cluster(energy, chains, generator)
    if method == "hmc":
        if isinstance(energy, XY):
            return _hmc_of_angles(energy, chains, generator)
        start = torch.randn(chains, *energy.event_shape, generator=generator)
        return _hmc(energy, start, generator, energy.spectrum)
    raise ValueError(f"method: got {method!r}, expected auto, exact, cluster or hmc")


def _exact(energy: Energy, chains: int, generator: torch.Generator) -> _Advance:
    sample = _own_sampler(energy)

    def advance(count: int) -> tuple[Tensor, float]:
        return sample(count * chains, generator).unflatten(0, (count, chains)), 1.0

    return advance


def _cluster(energy: Ising, chains: int, generator: torch.Generator) -> _Advance:
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


def _squared_magnetization(x: Tensor) -> Tensor:
    return x.mean((-2, -1)).square().sum(-1)


def _hmc(
    energy: Target,
    start: Tensor,
    generator: torch.Generator,
    spectrum: Tensor | None = None,
    slow: Callable[[Tensor], Tensor] = _squared_magnetization,
    longest_step: float = math.inf,
) -> _Advance:
    masses = None if spectrum is None else spectrum.reciprocal()
    tuned = hmc(
        energy, start, steps=1, warmup=HMC_WARMUP, generator=generator, mass_spectrum=masses
    )
    step_size, x = tuned.step_size, tuned.samples[-1]
    if step_size > longest_step:  # nothing was ever rejected, the states have run away
        step_size, x = longest_step, start

    def trajectories(count: int, thin: int = 1) -> HMCChains:
        nonlocal x
        run = hmc(
            energy,
            x,
            steps=count * thin,
            thin=thin,
            warmup=0,
            generator=generator,
            step_size=step_size,
            leapfrog_steps=max(2, round(HMC_LENGTH / step_size)),
            mass_spectrum=masses,
        )
        x = run.samples[-1]
        return run

    pilot = trajectories(HMC_WARMUP)
    tau = max(
        integrated_autocorrelation_time(series).tau
        for series in (pilot.energies, slow(pilot.samples))
    )
    thin = max(1, min(MAX_THIN, round(tau)))
    trajectories(1, thin=10 * thin)  # on to equilibrium

    def advance(count: int) -> tuple[Tensor, float]:
        run = trajectories(count, thin)
        return run.samples, run.acceptance

    return advance


class _Angles:
    """The XY model on its angles, where nothing hinders a turn of all of them."""

    def __init__(self, model: XY) -> None:
        self.event_shape = model.event_shape
        self.energy = model.angle_energy
        self.coupling = model.coupling

    def force(self, angles: Tensor) -> Tensor:
        """``J sum_neighbours sin(theta' - theta)``."""
        shifts = [(step, axis) for axis in (-2, -1) for step in (1, -1)]
        return self.coupling * sum((angles.roll(*shift) - angles).sin() for shift in shifts)


def _hmc_of_angles(energy: XY, chains: int, generator: torch.Generator) -> _Advance:
    shape = (chains, *energy.event_shape)
    # in float64, since in float32 some angles would round to the cut, where the field is infinite
    start = math.pi * (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1)
    angles = _hmc(
        _Angles(energy),
        start,
        generator,
        slow=lambda theta: _squared_magnetization(torch.cat([theta.cos(), theta.sin()], -3)),
        longest_step=math.pi / 2,
    )

    def advance(count: int) -> tuple[Tensor, float]:
        theta, acceptance = angles(count)
        return energy.field(theta), acceptance

    return advance
