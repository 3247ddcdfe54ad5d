"""HMC that needs no choices: its masses, step size, length and thinning are found beforehand."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rgflow.energies.symmetries import is_translation_invariant
from rgflow.montecarlo.hmc import HMCChains, Move, hmc
from rgflow.montecarlo.target import Target
from rgflow.statistics import integrated_autocorrelation_time
from rgflow.statistics.chains import few_warnings

Advance = Callable[[int], tuple[Tensor, float]]
"""Gives the next so many states of all chains, ``(T, B, *event_shape)``, and their acceptance."""

WARMUP = 200
"""Trajectories in which the step size is tuned, then as many that measure autocorrelation; half of
them each time where a first run has found the way."""
LENGTH = 1.5
"""Mean length of a trajectory in units of the slowest mode's width: a quarter of its period."""
MOST_STEPS = 128
"""Leapfrog steps of a trajectory, on average; a longer one is cut."""
SMALLEST_STEP = 1e-4
"""In units of a trajectory's length; below, HMC has found none."""
STUCK = 10.0
"""Variance of the energy between chains over that within them, above which they do not move; after
N independent states it is 1 / N."""
FOURIER_COST = 3.0
"""Of a leapfrog step with masses by Fourier mode, in those without: 3 to 4 on phi^4, whose force
is among the cheapest; there they halve the steps for an independent state, which is no gain."""
MOVE_COST = 30.0
"""Of a cluster update, in leapfrog steps of phi^4."""
CHEAP = 120.0
"""Leapfrog steps for an independent state, two autocorrelation times, that are few enough not to
look for better masses."""
MAX_THIN = 32
"""Most trajectories between two states that are kept."""
OCTAVES = 30
"""Scales that are tried for a start: powers of two down from ``2**30`` to one over it."""


def squared_magnetization(x: Tensor) -> Tensor:
    """``sum_c m_c^2`` with m the mean over the lattice, ``(..., C, H, W) -> (...)``."""
    return x.mean((-2, -1)).square().sum(-1)


def scaled_start(energy: Target, noise: Tensor) -> Tensor:
    """White noise made as wide as the law: the largest scale with ``<-x force(x)> <= 1`` a site.

    In the law that mean is one for every component. A start of another width costs time alone;
    where no scale is the largest, or none will do, it stays as it is.

    Args:
        energy: The target.
        noise: ``(B, *event_shape)``.
    """
    for power in range(OCTAVES, -OCTAVES - 1, -1):
        x = noise * 2.0**power
        if -(x * energy.force(x)).double().mean() <= 1:  # not if it is no number
            return noise if power == OCTAVES else x
    return noise


def mode_variances(samples: Tensor) -> Tensor:
    """Variance of each Fourier mode about its mean in a chain.

    About the chain's own mean, since one that stays in one of two phases moves in that one only.

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


def tuned_hmc(
    energy: Target,
    start: Tensor,
    generator: torch.Generator,
    spectrum: Tensor | None = None,
    slow: Callable[[Tensor], Tensor] = squared_magnetization,
    longest_step: float = math.inf,
    move: Move | None = None,
) -> Advance:
    """HMC made ready: tuned, in equilibrium, keeping a state in about an autocorrelation time.

    With a spectrum, its reciprocals are the masses if chains with them decorrelate at once.
    Otherwise a first run measures the variances of the modes, and these compete: plain masses;
    where translations are a symmetry, masses made of the variances; those of the spectrum; beside
    a further move, which takes care of slow modes, short trajectories. What needs the fewest force
    evaluations for an independent state stays. Whatever stays, the law is exact.

    Args:
        energy: The target.
        start: ``(B, *event_shape)``, about as wide as the law.
        generator: Source of all randomness.
        spectrum: Covariance by Fourier mode, if it is known.
        slow: Of states ``(T, B, *event_shape)``, what moves most slowly beside the energy,
            ``(T, B)``.
        longest_step: Bound on the step size, for laws on a torus, which have no covariance.
        move: A further update after each trajectory, e.g. of clusters.

    Raises:
        ValueError: If the chains do not move, or only with absurdly short steps.
    """

    def ready(
        x: Tensor, masses: Tensor | None, length: float, step_size: float, warmup: int
    ) -> _Chains:
        chains = _Chains(energy, x, generator, masses, length, move)
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
        if move is not None:  # which changes the phase, so that k = 0 has the variance of that
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
    chosen.run(1, thin=10 * chosen.thin)  # on to equilibrium

    def advance(count: int) -> tuple[Tensor, float]:
        run = chosen.run(count, chosen.thin)
        return run.samples, run.acceptance

    return advance


class _StuckError(ValueError):
    """Chains with these masses do not move; others may."""


class _Chains:
    """HMC at given masses with trajectories of a given length.

    Attributes:
        thin: Trajectories between two states that are kept.
        cost: Leapfrog steps for an independent state, in those without Fourier masses; infinite
            as long as that is not known.
        error: Why they do not move, or None.
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
        """Find the step size, then the autocorrelation time, in so many trajectories each."""
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
        if tuned.step_size > longest_step:  # nothing was ever rejected, the states have run away
            self.step_size = longest_step
        else:
            self.step_size, self.x = tuned.step_size, tuned.samples[-1]
        if not self.step_size >= SMALLEST_STEP * self.length:
            raise _StuckError(
                f"HMC does not move: it rejects with steps as short as {self.step_size:.2g}, as "
                "if the energy were not smooth or often not finite"
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

    def run(self, count: int, thin: int = 1) -> HMCChains:
        """The next so many states."""
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
