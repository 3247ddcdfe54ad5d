"""HMC without choices for the user: several masses and lengths compete, the cheapest is taken."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rgflow.energies.symmetries import is_translation_invariant
from rgflow.montecarlo.hmc import Move, hmc
from rgflow.montecarlo.target import Target
from rgflow.montecarlo.tuned_chains import StuckError, TunedChains

WARMUP = 200
"""Trajectories in which the step size is tuned, and then as many in which the autocorrelation is
measured. It is half as many of each after a first run that has brought the chains near the law."""
LENGTH = 1.5
"""Mean length of a trajectory in units of the slowest mode's width: a quarter of its period."""
CHEAP = 120.0
"""If an independent state, two autocorrelation times, costs no more leapfrog steps than this, no
better masses are looked for."""
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
) -> TunedChains:
    """HMC, tuned and in equilibrium, keeping about one state in an autocorrelation time.

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

    def tuned(
        x: Tensor, masses: Tensor | None, length: float, step_size: float, warmup: int
    ) -> TunedChains:
        chains = TunedChains(energy, x, generator, masses, length, move)
        try:
            chains.tune(step_size, longest_step, slow, warmup)
        except StuckError as error:
            chains.error = error
        return chains

    candidates = []
    if longest_step < math.inf:
        candidates.append(tuned(start, None, LENGTH, 0.1, WARMUP))
    elif spectrum is not None:
        candidates.append(tuned(start, 1 / spectrum, LENGTH, 0.1, WARMUP))
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
            candidates.append(tuned(x, None, length, first.step_size, half))
        if is_translation_invariant(energy):
            candidates.append(tuned(x, 1 / variances, LENGTH, 0.1, half))
    chosen = min(candidates, key=lambda chains: chains.cost)
    if chosen.error is not None:
        raise chosen.error
    chosen.run(1, thin=10 * chosen.thin)  # brings the chains to equilibrium
    return chosen
