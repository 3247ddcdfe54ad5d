"""The Gaussian free field, about which everything is known."""

from __future__ import annotations

import torch
from torch import Tensor

from rgflow.energies.base import Energy
from rgflow.energies.free_field import free_field_spectrum
from rgflow.energies.parameters import check_side
from rgflow.lattice.operators import gradient_squared, half, multiply_modes, neighbour_sum
from rgflow.runtime.counts import takes_counts


class GaussianField(Energy):
    """Free scalar field, ``S = sum_x [sum_mu (phi_{x+mu} - phi_x)^2 + m2 phi_x^2]``.

    ``S = 1/2 phi^T A phi`` with eigenvalues ``A(k) = 2 m2 + 2 khat^2``,
    ``khat^2 = sum_mu 4 sin^2(k_mu / 2)``. Note that the usual 1/2 in front of S is absent.

    Args:
        side: L, at least 2; with L = 2 both neighbours along an axis are the same site.
        m2: Mass squared in lattice units, positive.

    Raises:
        ValueError: For a smaller side, or a mass squared that is not positive.

    >>> field = GaussianField(side=8, m2=0.25)
    >>> field.energy(torch.ones(1, 1, 8, 8)).item()
    16.0
    >>> round(field.log_z, 6)
    -4.333315
    """

    gaussian = even = translation_invariant = True

    @takes_counts
    def __init__(self, side: int, m2: float) -> None:
        check_side(side)
        super().__init__((1, side, side))
        self.m2 = m2
        roots = half(free_field_spectrum(side, side, m2)).sqrt()
        self.register_buffer("covariance_root", roots, persistent=False)

    @property
    def spectrum(self) -> Tensor:
        """Covariance ``1 / A(k)``, ``(L, L)`` float64."""
        side = self.event_shape[-1]
        return free_field_spectrum(side, side, self.m2)

    def energy(self, x: Tensor) -> Tensor:
        """``S(x)``, ``(B, 1, L, L) -> (B,)``."""
        return (gradient_squared(x) + self.m2 * x.square()).sum((1, 2, 3))

    @torch.no_grad()
    def force(self, x: Tensor) -> Tensor:
        """``-A x``."""
        return 2 * neighbour_sum(x) - (8 + 2 * self.m2) * x

    @takes_counts
    def sample(
        self, n: int, generator: torch.Generator | None = None, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Exact independent states: white noise times the root of the covariance by mode.

        Args:
            n: Number of fields, positive.
            generator: Source of the noise, on the device of this module.
            dtype: Type of the fields; torch's default if None.

        Returns:
            Fields, ``(n, 1, L, L)``.

        Raises:
            ValueError: If n is not positive.
        """
        if n < 1:
            raise ValueError(f"n: got {n}, expected a positive number of samples")
        device = self.covariance_root.device
        noise = torch.randn(
            (n, *self.event_shape), generator=generator, device=device, dtype=dtype
        )
        return multiply_modes(noise, self.covariance_root)
