"""Hamiltonian dynamics for HMC: kinetic energy, leapfrog steps, tuning of the step size."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rgflow.lattice.operators import half, multiply_modes
from rgflow.lattice.spectrum import check_spectrum


class Kinetic:
    r"""Kinetic energy ``K(p) = 1/2 sum_k |p(k)|^2 / M(k)`` with masses per Fourier mode.

    If ``M(k)`` is the inverse propagator of a free field, all its modes oscillate with the same
    frequency. This Fourier acceleration removes critical slowing down where the field is nearly
    free.

    Args:
        mass_spectrum: ``M(k) > 0``, ``(H, W)``, indexed like ``torch.fft.fft2`` and even in k; all
            masses are one if None.

    Raises:
        ValueError: If the masses are not positive, finite and even.
    """

    def __init__(self, mass_spectrum: Tensor | None = None) -> None:
        self.masses = mass_spectrum
        if mass_spectrum is None:
            return
        check_spectrum(mass_spectrum, "mass spectrum")

    def check(self, event_shape: tuple[int, ...]) -> None:
        """Refuses masses, with a ValueError, that do not fit events of that shape."""
        if self.masses is not None and tuple(self.masses.shape) != tuple(event_shape[-2:]):
            raise ValueError(
                f"got a mass spectrum of shape {tuple(self.masses.shape)}, "
                f"expected {tuple(event_shape[-2:])}"
            )

    def momenta(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """Draws p from ``exp(-K)``."""
        noise = torch.randn(
            like.shape, generator=generator, device=generator.device, dtype=like.dtype
        )
        return self._scaled(noise.to(like.device), 0.5)

    def velocity(self, p: Tensor) -> Tensor:
        """``dK/dp``."""
        return self._scaled(p, -1.0)

    def energy(self, p: Tensor) -> Tensor:
        """``K(p)``, ``(B,)``, float64."""
        return 0.5 * (p.double() * self.velocity(p).double()).flatten(1).sum(1)

    def _scaled(self, p: Tensor, power: float) -> Tensor:
        """p with every mode k multiplied by ``M(k)^power``."""
        if self.masses is None:
            return p
        return multiply_modes(p, half(self.masses).to(p).pow(power))


def leapfrog(
    force: Callable[[Tensor], Tensor],
    x: Tensor,
    p: Tensor,
    step_size: float,
    steps: int,
    velocity: Callable[[Tensor], Tensor] = lambda p: p,
) -> tuple[Tensor, Tensor]:
    """Second-order, volume-preserving, reversible integration of ``x' = dK/dp, p' = force(x)``.

    Args:
        force: ``-grad E``.
        x: Positions, ``(B, ...)``.
        p: Momenta, like x.
        step_size: Time step.
        steps: Number of steps, at least one.
        velocity: ``dK/dp``.

    Returns:
        Positions and momenta after time ``steps * step_size``.
    """
    p = p + 0.5 * step_size * force(x)
    for step in range(steps):
        x = x + step_size * velocity(p)
        p = p + (step_size if step < steps - 1 else 0.5 * step_size) * force(x)
    return x, p


class DualAveraging:
    """Step size that brings the acceptance to a target, by stochastic approximation.

    Args:
        step_size: Where the search starts; it is drawn towards ten times as much.
        target: The acceptance probability that is aimed at, in (0, 1).

    Reference: Hoffman and Gelman, arXiv:1111.4246, section 3.2, with their constants.
    """

    def __init__(self, step_size: float, target: float) -> None:
        self.target = target
        self.centre = math.log(10 * step_size)
        self.step_size = step_size
        self._error = self._log_average = 0.0
        self._count = 0

    def update(self, acceptance: float) -> None:
        """Learns from the mean acceptance probability of one trajectory."""
        self._count += 1
        n = self._count
        rate = 1 / (n + 10)
        self._error += rate * (self.target - acceptance - self._error)
        log_step = self.centre - math.sqrt(n) / 0.05 * self._error
        self._log_average += n**-0.75 * (log_step - self._log_average)
        self.step_size = math.exp(log_step)

    @property
    def average(self) -> float:
        """The smoothed step size, to be used after the tuning."""
        return math.exp(self._log_average) if self._count else self.step_size
