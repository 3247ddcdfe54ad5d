"""The Ising model as a continuous field with the same partition function up to a known factor."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from rgflow.energies.base import Energy
from rgflow.energies.exact import (
    CRITICAL_COUPLING,
    ising_energy,
    ising_log_z,
    ising_m2,
    ising_specific_heat,
)
from rgflow.energies.parameters import check_finite, check_positive, check_side
from rgflow.energies.physical import PhysicalVariables
from rgflow.energies.transfer_matrix import can_have_m2
from rgflow.lattice.operators import (
    bond_sum,
    gaussian_log_z,
    half,
    khat_squared,
    multiply_modes,
    parseval_weights,
    quadratic_form,
)
from rgflow.runtime.counts import takes_counts

# two tables of a report ask for the same model, and above side 8 the answer takes seconds
_ising_m2 = lru_cache(ising_m2)


class Ising(Energy):
    """Continuous dual of the Ising model ``H = -J sum_<ij> s_i s_j``, J in units of temperature.

    With ``K = J * adjacency + alpha`` positive definite and the spins summed out,
    ``E(x) = 1/2 x^T K^-1 x - sum_i ln(2 cosh x_i)``. All constants are kept:
    ``int dx exp(-E) = sqrt(det(2 pi K)) exp(N alpha / 2) Z_Ising``.
    Given the spins x is normal with mean ``K s`` and covariance K; given x the spins are
    independent with ``P(s_i = 1) = sigmoid(2 x_i)``.

    Each site has four neighbours with wrap-around, so that on a side of 2 bonds are double.

    Args:
        side: L, at least 2.
        coupling: J. A negative one needs an even side.
        margin: Smallest eigenvalue of K, ``alpha = margin - min eig(J * adjacency)``.

    Raises:
        ValueError: For a smaller side, a coupling that is not finite or is negative on an odd
            side, or a margin that is not positive.

    Reference: NeuralRG, arXiv:1802.02840, which drops constants.

    >>> model = Ising(side=4)
    >>> x = model.field(torch.ones(1, 1, 4, 4), torch.Generator().manual_seed(0))
    >>> model.energy(x).shape, round(model.log_z, 6)
    (torch.Size([1]), 48.467087)
    """

    even = translation_invariant = True

    @takes_counts
    def __init__(
        self, side: int, coupling: float = CRITICAL_COUPLING, margin: float = 0.1
    ) -> None:
        check_side(side)
        check_finite(coupling=coupling)
        check_positive(margin=margin)
        super().__init__((1, side, side))
        self.coupling = coupling
        self.margin = margin
        bonds = coupling * (4 - khat_squared(side, side))  # eigenvalues of J * adjacency
        self.alpha: float = margin - bonds.min().item()
        self._spectrum = bonds + self.alpha
        self._log_z = (
            gaussian_log_z(self._spectrum)
            + side * side * self.alpha / 2
            + ising_log_z(side, side, coupling)
        )
        modes = half(self._spectrum)
        self.register_buffer("k_modes", modes, persistent=False)
        self.register_buffer("k_root", modes.sqrt(), persistent=False)
        self.register_buffer("k_inverse", modes.reciprocal(), persistent=False)
        weights = parseval_weights(self._spectrum.reciprocal() / 2)
        self.register_buffer("half_k_inverse_weights", weights, persistent=False)

    @property
    def log_z(self) -> float:
        """Exact log normalisation of the law of x, not of the spins."""
        return self._log_z

    @property
    def spectrum(self) -> Tensor:
        """Eigenvalues of K, ``(L, L)`` float64."""
        return self._spectrum

    def exact_observables(self) -> dict[str, float]:
        """Exact rows of the spins.

        ``energy_per_site`` and ``specific_heat`` at any size, ``m2`` up to side 16, where it
        takes seconds, but only up to side 8 if J < 0.1.
        """
        side, coupling = self.event_shape[-1], self.coupling
        rows = {"m2": _ising_m2(side, coupling)} if can_have_m2(side, coupling) else {}
        return rows | {
            "energy_per_site": coupling * ising_energy(side, side, coupling),
            "specific_heat": ising_specific_heat(side, side, coupling),
        }

    @property
    def physical(self) -> PhysicalVariables:
        """The spins; given the field their means are ``tanh x``, and given them x is normal."""
        return PhysicalVariables(
            "spins",
            draw=self.spins,
            energy=self.spin_energy,
            mean=lambda x: x.double().tanh(),
            field=self.field,
        )

    @property
    def cluster_hopping(self) -> float:
        """J, of the spins."""
        return self.coupling

    def scaled(self, factor: float) -> Ising:
        """The dual at coupling ``factor * J``, with its own K and ln Z."""
        return Ising(self.event_shape[-1], factor * self.coupling, self.margin)

    def energy(self, x: Tensor) -> Tensor:
        """``E(x)``, ``(B, 1, L, L) -> (B,)``."""
        # ln(2 cosh x) without overflow
        log_two_cosh = x.abs() + torch.log1p(torch.exp(-2 * x.abs()))
        return quadratic_form(x, self.half_k_inverse_weights).sum(1) - log_two_cosh.sum((1, 2, 3))

    @torch.no_grad()
    def force(self, x: Tensor) -> Tensor:
        """``tanh x - K^-1 x``."""
        return torch.tanh(x) - multiply_modes(x, self.k_inverse)

    def spin_energy(self, spins: Tensor) -> Tensor:
        """``H(s) = -J sum_<ij> s_i s_j``, ``(B, 1, L, L) -> (B,)`` in float64."""
        self._check(spins)
        return -self.coupling * bond_sum(spins).sum(1)

    def spins(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One draw of the spins +1 and -1 from their exact law given the field, like x."""
        self._check(x)
        uniform = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return torch.where(uniform < torch.sigmoid(2 * x), 1.0, -1.0).to(x.dtype)

    def field(self, spins: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One draw of the field from its exact law given the spins, like them.

        Raises:
            ValueError: For spins of an integer type or another shape.
        """
        self._check(spins)
        if not spins.is_floating_point():
            raise ValueError(f"got spins of type {spins.dtype}, expected a floating type")
        noise = torch.randn(
            spins.shape, generator=generator, device=spins.device, dtype=spins.dtype
        )
        return multiply_modes(spins, self.k_modes) + multiply_modes(noise, self.k_root)
