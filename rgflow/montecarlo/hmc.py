"""Hamiltonian Monte Carlo on any energy, many chains at once."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.montecarlo.integrator import DualAveraging, Kinetic, leapfrog
from rgflow.montecarlo.target import Target
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field
from rgflow.runtime.progress import progress

Move = Callable[[Tensor, torch.Generator], Tensor]
"""A further update of states ``(B, *event_shape)``, under which the law does not change."""


class HMCChains(NamedTuple):
    """States of Markov chains after the warm-up.

    Attributes:
        samples: ``(T, B, *event_shape)``.
        energies: ``E`` of the samples, ``(T, B)``, float64.
        acceptance: Mean acceptance probability after the warm-up.
        step_size: The step size after the warm-up.
    """

    samples: Tensor
    energies: Tensor
    acceptance: float
    step_size: float


class _State(NamedTuple):
    x: Tensor
    energy: Tensor


@torch.no_grad()
@takes_counts
def hmc(
    energy: Target,
    x: Tensor,
    *,
    steps: int,
    warmup: int,
    generator: torch.Generator,
    step_size: float = 0.1,
    leapfrog_steps: int = 10,
    target_acceptance: float = 0.8,
    thin: int = 1,
    mass_spectrum: Tensor | None = None,
    move: Move | None = None,
) -> HMCChains:
    r"""Hamiltonian Monte Carlo, ``H(x, p) = E(x) + K(p)``, with independent chains in the batch.

    The step size is tuned during the warm-up and then fixed. In the first half of the warm-up the
    harmonic mean of the chains' acceptances is brought to its target, so that no chain stays
    behind at a start far out, where the step of the others is too long. In the second half it is
    the mean. The number of leapfrog steps is drawn for every trajectory, uniformly from half to
    three halves of ``leapfrog_steps``, since with a fixed length the modes whose period divides it
    would never move. Acceptance is decided in float64; a trajectory that overflows is rejected.

    Args:
        energy: The target.
        x: Starts of the chains, ``(B, *event_shape)``; its device and type are used throughout.
        steps: Trajectories after the warm-up.
        warmup: Trajectories before, in which the step size is tuned; 0 keeps ``step_size``.
        generator: Source of all randomness, on any device.
        step_size: The step size with which the tuning starts.
        leapfrog_steps: Mean number of leapfrog steps of a trajectory.
        target_acceptance: The acceptance probability that the tuning aims at.
        thin: Every ``thin``-th state is kept.
        mass_spectrum: Masses per Fourier mode, ``(H, W)``, see `Kinetic`; for example the inverse
            propagator ``m^2 + khat^2``, one over the covariance of the modes.
        move: A further update after each trajectory, such as one of clusters.

    Raises:
        ValueError: If a number is out of its range, shapes do not fit, or the energy or force
            of a start is not finite.

    Reference: Neal, arXiv:1206.1901; tuning arXiv:1111.4246, harmonic mean
    Hoffman, Radul and Sountsov, AISTATS 2021.
    """
    kinetic = Kinetic(mass_spectrum)
    kinetic.check(energy.event_shape)
    _check(energy, x, steps, warmup, step_size, leapfrog_steps, target_acceptance, thin)
    state = _State(x.detach().clone(), energy.energy(x).double())
    if not (state.energy.isfinite().all() and energy.force(state.x).isfinite().all()):
        raise ValueError(
            "the energy or the force of a start is not finite, expected starts where both are"
        )

    def advance(state: _State, step_size: float) -> tuple[_State, Tensor]:
        state, acceptance = _trajectory(
            energy, kinetic, state, step_size, leapfrog_steps, generator
        )
        if move is not None:
            x = move(state.x, generator)
            state = _State(x, energy.energy(x).double())
        return state, acceptance

    for trajectories, average in ((warmup // 2, _harmonic_mean), (-(-warmup // 2), torch.mean)):
        tuning = DualAveraging(step_size, target_acceptance)
        for _ in progress(range(trajectories), "warm-up"):
            state, acceptance = advance(state, tuning.step_size)
            tuning.update(float(average(acceptance)))
        step_size = tuning.average
    kept = steps // thin
    samples, energies = x.new_empty(kept, *x.shape), state.energy.new_empty(kept, len(x))
    total = torch.zeros_like(state.energy[0])  # it stays on the device, so that nobody waits
    for step in progress(range(1, steps + 1), "trajectories"):
        state, acceptance = advance(state, step_size)
        total += acceptance.mean()
        if step % thin == 0:
            samples[step // thin - 1], energies[step // thin - 1] = state
    return HMCChains(samples, energies, float(total) / steps, step_size)


def _trajectory(
    energy: Target,
    kinetic: Kinetic,
    state: _State,
    step_size: float,
    leapfrog_steps: int,
    generator: torch.Generator,
) -> tuple[_State, Tensor]:
    """The next state of each chain and its acceptance probability."""
    device = generator.device
    low, high = (leapfrog_steps + 1) // 2, (3 * leapfrog_steps) // 2
    count = int(torch.randint(low, high + 1, (), generator=generator, device=device))
    p = kinetic.momenta(state.x, generator)
    x, end = leapfrog(energy.force, state.x, p, step_size, count, kinetic.velocity)
    new = energy.energy(x).double()
    gain = state.energy + kinetic.energy(p) - new - kinetic.energy(end)  # -(H' - H)
    # a chain would never leave an energy of minus infinity; NaN is an overflow
    gain = torch.where(new.isfinite() & gain.isfinite(), gain, -torch.inf)
    uniform = torch.rand(gain.shape, generator=generator, device=device, dtype=torch.float64)
    accept = uniform.to(gain.device) < gain.exp()
    chosen = torch.where(accept.view(-1, *[1] * (x.dim() - 1)), x, state.x)
    return _State(chosen, torch.where(accept, new, state.energy)), gain.clamp_max(0).exp()


def _harmonic_mean(acceptance: Tensor) -> Tensor:
    return 1 / (1 / acceptance).mean()  # it is 0 if one of them is 0


def _check(
    energy: Target,
    x: Tensor,
    steps: int,
    warmup: int,
    step_size: float,
    leapfrog_steps: int,
    target_acceptance: float,
    thin: int,
) -> None:
    check_field(x, "hmc")
    if tuple(x.shape[1:]) != tuple(energy.event_shape) or not len(x):
        raise ValueError(
            f"got starts of shape {tuple(x.shape)}, expected (B, *{tuple(energy.event_shape)})"
        )
    if not 1 <= thin <= steps:
        raise ValueError(f"got steps={steps} and thin={thin}, expected 1 <= thin <= steps")
    if warmup < 0 or leapfrog_steps < 1:
        raise ValueError(
            f"got warmup={warmup} and leapfrog_steps={leapfrog_steps}, expected >= 0 and >= 1"
        )
    if not (0 < step_size < float("inf") and 0 < target_acceptance < 1):
        raise ValueError(
            f"got step_size={step_size} and target_acceptance={target_acceptance}, "
            "expected a positive number and one in (0, 1)"
        )
