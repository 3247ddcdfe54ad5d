"""HMC that needs no choices: its step size, length and thinning are found in the warm-up."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rgflow.energies import XY
from rgflow.montecarlo.hmc import HMCChains, hmc
from rgflow.montecarlo.target import Target
from rgflow.statistics import integrated_autocorrelation_time

Advance = Callable[[int], tuple[Tensor, float]]
"""Gives the next so many states of all chains, ``(T, B, *event_shape)``, and their acceptance."""

WARMUP = 200
"""Trajectories in which the step size is tuned, then as many that measure autocorrelation."""
LENGTH = 1.5
"""Mean length of a trajectory: the best of 0.5 to 3 per second, on phi^4 with sides 8 and 32."""
MAX_THIN = 32
"""Most trajectories between two states that are kept."""


def _squared_magnetization(x: Tensor) -> Tensor:
    return x.mean((-2, -1)).square().sum(-1)


def tuned_hmc(
    energy: Target,
    start: Tensor,
    generator: torch.Generator,
    spectrum: Tensor | None = None,
    slow: Callable[[Tensor], Tensor] = _squared_magnetization,
    longest_step: float = math.inf,
) -> Advance:
    """HMC made ready: tuned, in equilibrium, keeping a state in about an autocorrelation time.

    Args:
        energy: The target.
        start: ``(B, *event_shape)``.
        generator: Source of all randomness.
        spectrum: Covariance by Fourier mode, of which the masses are the reciprocals.
        slow: Of states ``(T, B, *event_shape)``, what moves most slowly beside the energy,
            ``(T, B)``.
        longest_step: Bound on the step size, for laws on a torus.
    """
    masses = None if spectrum is None else spectrum.reciprocal()
    tuned = hmc(energy, start, steps=1, warmup=WARMUP, generator=generator, mass_spectrum=masses)
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
            leapfrog_steps=max(2, round(LENGTH / step_size)),
            mass_spectrum=masses,
        )
        x = run.samples[-1]
        return run

    pilot = trajectories(WARMUP)
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


def hmc_of_angles(energy: XY, chains: int, generator: torch.Generator) -> Advance:
    """HMC of the XY model in the space of its angles, made ready.

    Args:
        energy: The model; states are fields of it.
        chains: B.
        generator: Source of all randomness.
    """
    shape = (chains, *energy.event_shape)
    # in float64, since in float32 some angles would round to the cut, where the field is infinite
    start = math.pi * (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1)
    angles = tuned_hmc(
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
