"""HMC without choices for the user: it finds masses, step size, length and thinning by itself."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rgflow.energies.symmetries import is_translation_invariant
from rgflow.montecarlo.hmc import HMCChains, Move, hmc
from rgflow.montecarlo.target import Target
from rgflow.statistics import integrated_autocorrelation_time
from rgflow.statistics.chains import few_warnings

Advance = Callable[[int], tuple[Tensor, float]]
"""Gives the next T states of all chains, ``(T, B, *event_shape)``, and their acceptance, for T."""

WARMUP = 200
"""Trajectories in which the step size is tuned, and then as many in which the autocorrelation is
measured. It is half as many of each after a first run that has brought the chains near the law."""
LENGTH = 1.5
"""Mean length of a trajectory in units of the slowest mode's width: a quarter of its period."""
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
CHEAP = 120.0
"""If an independent state, two autocorrelation times, costs no more leapfrog steps than this, no
better masses are looked for."""
MAX_THIN = 32
"""Most trajectories between two states that are kept."""
OCTAVES = 30
"""Powers of two that are tried as the scale of a start go from ``2**30`` down to ``2**-30``."""


def squared_magnetization(x: Tensor) -> Tensor:
    """``sum_c m_c^2`` with m the mean over the lattice, ``(..., C, H, W) -> (...)``."""
    return x.mean((-2, -1)).square().sum(-1)


def scaled_start(energy: Target, noise: Tensor) -> Tensor:
    """White noise scaled to the width of the law: the largest scale with ``<-x force(x)> <= 1``.

    In the law the mean of ``-x force(x)`` is one for every component. A start of another width
    only costs time. The noise stays as it is if the mean is small at every scale, or at none.

    Args:
        energy: The target.
        noise: White noise, ``(B, *event_shape)``.
    """
    for power in range(OCTAVES, -OCTAVES - 1, -1):
        x = noise * 2.0**power
        if -(x * energy.force(x)).double().mean() <= 1:  # false for NaN
            return noise if power == OCTAVES else x
    return noise


def mode_variances(samples: Tensor) -> Tensor:
    """Variance of each Fourier mode about its mean in a chain.

    The mean is subtracted for each chain by itself, since a chain that stays in one of two phases
    moves only in that one.

    Args:
        samples: ``(T, B, C, H, W)``.

    Returns:
        ``(H, W)``, float64, positive.

    Raises:
        ValueError: If the chains do not move.
    """
    x = samples.double()
    modes = torch.fft.fft2(x - x.mean(0), norm="ortho")
    power = modes.abs().square().mean((0, 1, 2))
    if not 0 < power.max() < math.inf:
        raise ValueError("HMC does not move: every proposal was rejected")
    return power.clamp_min(1e-12 * power.max())


def tuned_chains(
    energy: Target,
    start: Tensor,
    generator: torch.Generator,
    spectrum: Tensor | None = None,
    slow: Callable[[Tensor], Tensor] = squared_magnetization,
    longest_step: float = math.inf,
    move: Move | None = None,
) -> "TunedChains":
    """HMC made ready: tuned, in equilibrium, keeping about one state in an autocorrelation time.

    If there is a spectrum and chains with its reciprocals as masses decorrelate at once, these are
    taken. Otherwise a first run measures the variances of the modes, and several choices compete:
    plain masses; where translations are a symmetry, the reciprocals of the measured variances;
    those of the spectrum; and, if a further move takes care of the slow modes, plain masses with
    short trajectories. The choice that needs the fewest force evaluations for an independent state
    wins. The law is exact with any of them.

    Args:
        energy: The target.
        start: States ``(B, *event_shape)``, about as wide as the law.
        generator: Source of all randomness.
        spectrum: Covariance by Fourier mode, if it is known.
        slow: Gives the observable that moves most slowly beside the energy, ``(T, B)``, from
            states ``(T, B, *event_shape)``.
        longest_step: Bound on the step size, for laws on a torus, which have no covariance.
        move: A further update after each trajectory, such as one of clusters.

    Raises:
        ValueError: If the chains do not move, or only with absurdly short steps.
    """

    def ready(
        x: Tensor, masses: Tensor | None, length: float, step_size: float, warmup: int
    ) -> TunedChains:
        chains = TunedChains(energy, x, generator, masses, length, move)
        try:
            chains.tune(step_size, longest_step, slow, warmup)
        except _StuckError as error:
            chains.error = error
        return chains

    candidates = []
    if longest_step < math.inf:
        candidates.append(ready(start, None, LENGTH, 0.1, WARMUP))
    elif spectrum is not None:
        candidates.append(ready(start, 1 / spectrum, LENGTH, 0.1, WARMUP))
    if longest_step == math.inf and not (candidates and candidates[0].cost <= CHEAP):
        half = WARMUP // 2
        first = hmc(
            energy,
            start,
            steps=half,
            warmup=half,
            generator=generator,
            step_size=0.1 * float(start.std()),
            move=move,
        )
        x, variances = first.samples[-1], mode_variances(first.samples[half // 2 :])
        if move is not None:  # it changes the phase, so that k = 0 has the variance between phases
            variances[0, 0] = variances.flatten()[1:].max()
        widths = [variances.max()] if move is None else [variances.max(), variances.median()]
        for width in widths:
            length = LENGTH * float(width.sqrt())
            candidates.append(ready(x, None, length, first.step_size, half))
        if is_translation_invariant(energy):
            candidates.append(ready(x, 1 / variances, LENGTH, 0.1, half))
    chosen = min(candidates, key=lambda chains: chains.cost)
    if chosen.error is not None:
        raise chosen.error
    chosen.run(1, thin=10 * chosen.thin)  # brings the chains to equilibrium
    return chosen


def tuned_hmc(*arguments: Any, **settings: Any) -> Advance:
    """The next states of `tuned_chains`, which takes the same arguments."""
    return tuned_chains(*arguments, **settings).advance


class _StuckError(ValueError):
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
            raise _StuckError(
                f"HMC does not move: it rejects proposals with steps as short as "
                f"{self.step_size:.2g}, as if the energy were not smooth or often not finite"
            )
        self.leapfrog_steps = min(MOST_STEPS, max(2, round(self.length / self.step_size)))
        pilot = self.run(warmup)
        if len(self.x) > 1:
            between, within = pilot.energies.mean(0).var(), pilot.energies.var(0).mean()
            if between > STUCK * within:
                raise _StuckError(
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
