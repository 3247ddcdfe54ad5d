"""Complex phi^4: the field theory of the holographic step, with a U(1) symmetry."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from rgflow.energies.base import Energy
from rgflow.energies.parameters import check_finite, check_side
from rgflow.lattice.operators import forward_neighbours, khat_squared, neighbour_sum
from rgflow.runtime.counts import takes_counts


class ComplexPhi4(Energy):
    """Complex field with hopping; its two channels are the real and the imaginary part.

    ``S = -t sum_<ij> Re(conj(phi_i) phi_j) + sum_i (mu |phi_i|^2 + lam |phi_i|^4)``, where the
    sum over <ij> counts each of the ``2 N`` bonds of the lattice once. Where the literature sums
    over both directions of a bond, or adds the complex conjugate, its t is half of this one.

    Args:
        side: L, at least 2; with L = 2 bonds are double.
        t: Hopping, positive favours equal phases.
        mu: Coefficient of the square; ordered where it is well below ``2 t``.
        lam: Quartic coupling; 0 is allowed where the quadratic part is positive, ``mu > 2 |t|``.

    Raises:
        ValueError: For a smaller side, parameters that are not finite, or an action that is not
            bounded from below.

    Reference: arXiv:1903.00804.

    >>> model = ComplexPhi4(side=4, t=1.0, mu=2.0, lam=0.5)
    >>> model.energy(torch.ones(1, 2, 4, 4)).item()  # |phi|^2 = 2 on 16 sites
    32.0
    """

    even = translation_invariant = True

    @takes_counts
    def __init__(self, side: int, t: float, mu: float, lam: float) -> None:
        check_side(side)
        check_finite(t=t, mu=mu, lam=lam)
        super().__init__((2, side, side))
        self.t, self.mu, self.lam = t, mu, lam
        if lam < 0 or (lam == 0 and self._stiffness().min() <= 0):
            raise ValueError(
                f"got t={t}, mu={mu}, lam={lam}, expected lam > 0, or lam = 0 and mu > 2 |t|: "
                "the action must be bounded from below"
            )

    @property
    def gaussian(self) -> bool:
        """Whether these are two free fields, ``lam = 0``; then ln Z is known."""
        return self.lam == 0

    @property
    def cluster_hopping(self) -> float:
        """t."""
        return self.t

    @property
    def spectrum(self) -> Tensor | None:
        """Covariance of each channel at ``lam = 0``; None where that is not positive.

        ``1 / (2 mu - 2 t sum_nu cos k_nu)``.
        """
        stiffness = self._stiffness()
        return stiffness.reciprocal() if stiffness.min() > 0 else None

    def exact_observables(self) -> Mapping[str, float]:
        """Those of two free fields at ``lam = 0``, with the helicity modulus.

        ``1/N sum_k [2 t cos k_1 / s(k) - (2 t sin k_1 / s(k))^2]``, where s is one over the
        covariance, is the second derivative of ``1/N sum_k ln s(k)`` by a shift of ``k_1``.
        """
        rows = super().exact_observables()
        if not rows:
            return rows
        side, stiffness = self.event_shape[-1], self._stiffness()
        k = 2 * math.pi * torch.arange(side, dtype=torch.float64)[:, None] / side
        slope, curvature = (2 * self.t * wave(k) / stiffness for wave in (torch.sin, torch.cos))
        return {**rows, "helicity_modulus": float((curvature - slope.square()).mean())}

    def _stiffness(self) -> Tensor:
        side = self.event_shape[-1]
        return 2 * self.mu - self.t * (4 - khat_squared(side, side))

    def energy(self, x: Tensor) -> Tensor:
        """``S(x)``, ``(B, 2, L, L) -> (B,)``."""
        down, right = forward_neighbours(x)
        hopping = (x * (down + right)).sum((1, 2, 3))
        density = x.square().sum(1)  # (B, L, L)
        return (density * (self.mu + self.lam * density)).sum((1, 2)) - self.t * hopping

    @torch.no_grad()
    def force(self, x: Tensor) -> Tensor:
        """``t sum_neighbours x' - 2 mu x - 4 lam |x|^2 x``."""
        density = x.square().sum(1, keepdim=True)  # (B, 1, L, L)
        return self.t * neighbour_sum(x) - x * (2 * self.mu + 4 * self.lam * density)
