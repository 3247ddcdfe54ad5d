"""HMC at given masses that finds its step size, its thinning and what a state costs."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rgflow.montecarlo.hmc import HMCChains, Move, hmc
from rgflow.montecarlo.target import Target
from rgflow.statistics import integrated_autocorrelation_time
from rgflow.statistics.chain_warnings import few_warnings

Advance = Callable[[int], tuple[Tensor, float]]
"""Gives the next T states of all chains, ``(T, B, *event_shape)``, and their acceptance, for T."""

MOST_STEPS = 128
"""Most leapfrog steps of a trajectory, on average; where more are needed, it is shorter."""
SMALLEST_STEP = 1e-4
"""Smallest step size, in units of a trajectory's length; below it HMC does not work."""
STUCK = 10.0
"""Chains do not move if the variance of the energy between them is more than this many times the
variance within them; after N independent states the ratio is 1 / N."""
FOURIER_COST = 3.0
"""Cost of a leapfrog step with masses by Fourier mode, in steps without. On phi^4, whose force is
among the cheapest, it is 3 to 4; there such masses halve the number of steps for an independent
state, which is no gain."""
MOVE_COST = 30.0
"""Cost of a cluster update, in leapfrog steps of phi^4."""
MAX_THIN = 32
"""Most trajectories between two states that are kept."""


class StuckError(ValueError):
    """Chains with these masses do not move; with other masses they may."""


class TunedChains:
    """HMC at given masses with trajectories of a given length.

    Attributes:
        x: Where the chains are, ``(B, *event_shape)``; they go on from what is put there.
        thin: Trajectories between two states that are kept.
        cost: Cost of an independent state, in leapfrog steps without Fourier masses; infinite
            until it has been measured.
        error: Why the chains do not move, or None.
    """

    def __init__(
        self,
        energy: Target,
        x: Tensor,
        generator: torch.Generator,
        masses: Tensor | None,
        length: float,
        move: Move | None,
    ) -> None:
        self.energy, self.x, self.generator = energy, x, generator
        self.masses, self.length, self.move = masses, length, move
        self.cost, self.error = math.inf, None

    def tune(
        self,
        step_size: float,
        longest_step: float,
        slow: Callable[[Tensor], Tensor],
        warmup: int,
    ) -> None:
        """Finds the step size, then the autocorrelation time, in ``warmup`` trajectories each."""
        tuned = hmc(
            self.energy,
            self.x,
            steps=1,
            warmup=warmup,
            generator=self.generator,
            step_size=step_size,
            mass_spectrum=self.masses,
            move=self.move,
        )
        if tuned.step_size > longest_step:  # nothing was rejected, and the states have run away
            self.step_size = longest_step
        else:
            self.step_size, self.x = tuned.step_size, tuned.samples[-1]
        if not self.step_size >= SMALLEST_STEP * self.length:
            raise StuckError(
                f"HMC does not move: it rejects proposals with steps as short as "
                f"{self.step_size:.2g}, as if the energy were not smooth or often not finite"
            )
        self.leapfrog_steps = min(MOST_STEPS, max(2, round(self.length / self.step_size)))
        pilot = self.run(warmup)
        if len(self.x) > 1:
            between, within = pilot.energies.mean(0).var(), pilot.energies.var(0).mean()
            if between > STUCK * within:
                raise StuckError(
                    f"HMC does not move: with steps of {self.step_size:.2g} the chains keep their "
                    "energies, as if the energy were not smooth or often not finite, or had "
                    "phases of different energy that no chain leaves"
                )
        with few_warnings(0):  # its errors are not quoted
            tau = max(
                integrated_autocorrelation_time(series).tau
                for series in (pilot.energies, slow(pilot.samples))
            )
        self.thin = max(1, min(MAX_THIN, round(tau)))
        steps = self.leapfrog_steps * (1 if self.masses is None else FOURIER_COST)
        self.cost = 2 * tau * (steps if self.move is None else steps + MOVE_COST)

    def advance(self, count: int) -> tuple[Tensor, float]:
        """The next ``count`` states of all chains, about one in an autocorrelation time."""
        run = self.run(count, self.thin)
        return run.samples, run.acceptance

    def run(self, count: int, thin: int = 1) -> HMCChains:
        """The next ``count`` states of all chains."""
        run = hmc(
            self.energy,
            self.x,
            steps=count * thin,
            thin=thin,
            warmup=0,
            generator=self.generator,
            step_size=self.step_size,
            leapfrog_steps=self.leapfrog_steps,
            mass_spectrum=self.masses,
            move=self.move,
        )
        self.x = run.samples[-1]
        return run
