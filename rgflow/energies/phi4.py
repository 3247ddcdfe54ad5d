"""Real scalar phi^4, with converters from other conventions of the literature."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from rgflow.energies.base import Energy
from rgflow.energies.free_field import free_field_spectrum
from rgflow.energies.parameters import check_finite, check_positive, check_side
from rgflow.lattice.operators import gradient_squared, neighbour_sum
from rgflow.runtime.counts import takes_counts


class Hopping(NamedTuple):
    """A phi^4 theory as ``T = sum_x [-2 kappa sum_mu psi psi' + (1 - 2 lam) psi^2 + lam psi^4]``.

    Attributes:
        kappa: Hopping parameter.
        beta: ``2 kappa``, of the convention that writes the hopping with it.
        lam: Quartic coupling of this convention.
        field_scale: ``psi / phi``, with phi the field of `Phi4`: ``kappa**-0.5``.
        log_z_shift: ``ln Z_T - ln Z_S = N ln field_scale``, to be added to the ln Z of `Phi4`.
    """

    kappa: float
    beta: float
    lam: float
    field_scale: float
    log_z_shift: float


class Phi4(Energy):
    """Real field, ``S = sum_x [sum_mu (phi_{x+mu} - phi_x)^2 + m2 phi_x^2 + lam phi_x^4]``.

    Other conventions are the same theory for ``psi = field_scale * phi``: with their action T,
    ``T(field_scale * phi) = S(phi)``, densities differ by the Jacobian ``field_scale**N`` and
    ``ln Z_T = ln Z_S + N ln field_scale``. Observables of psi are those of ``field_scale * x``.
    `from_kappa` and `from_beta` come from them, `hopping` goes back.

    Args:
        side: L, at least 2; with L = 2 both neighbours along an axis are the same site.
        m2: Mass squared in lattice units, of either sign.
        lam: Quartic coupling; 0 is allowed with positive m2.
        field_scale: Ratio of another convention's field to this one's; it changes no energy.

    Raises:
        ValueError: For a smaller side, parameters that are not finite, an action that is not
            bounded from below, or a scale that is not positive.

    >>> model = Phi4(side=8, m2=-4.0, lam=Phi4.LADDER[8])
    >>> round(model.energy(torch.ones(1, 1, 8, 8)).item(), 3)  # 64 (lam - 4)
    128.512
    >>> same = Phi4.from_beta(side=8, beta=2 * (0.5 / 6.008) ** 0.5)
    >>> round(same.m2, 9), round(same.lam, 9)
    (-4.0, 6.008)
    >>> round(model.hopping.beta, 6), round(model.hopping.lam, 6)
    (0.576966, 0.5)
    """

    LADDER: ClassVar[Mapping[int, float]] = MappingProxyType(
        {6: 6.975, 8: 6.008, 12: 5.276, 14: 5.113, 20: 4.807, 32: 4.572, 64: 4.398}
    )
    """Side to lam at ``m2 = -4`` such that L is about four correlation lengths (symmetric phase;
    critical lam about 4.25)."""

    even = translation_invariant = True
    cluster_hopping = 2.0
    """The cross term of a squared difference is ``-2 phi_x phi_{x+mu}``."""

    @takes_counts
    def __init__(self, side: int, m2: float, lam: float, field_scale: float = 1.0) -> None:
        check_side(side)
        check_finite(m2=m2, lam=lam)
        check_positive(field_scale=field_scale)
        if lam < 0 or (lam == 0 and m2 <= 0):
            raise ValueError(
                f"got lam={lam}, m2={m2}, expected lam > 0, or lam = 0 and m2 > 0: "
                "the action must be bounded from below"
            )
        super().__init__((1, side, side))
        self.m2 = m2
        self.lam = lam
        self.field_scale = field_scale

    @classmethod
    def from_kappa(cls, side: int, kappa: float, lam: float) -> Phi4:
        """From ``T = sum_x [-2 kappa sum_mu psi_x psi_{x+mu} + (1 - 2 lam) psi^2 + lam psi^4]``.

        ``psi = kappa**-0.5 phi``, hence ``m2 = (1 - 2 lam) / kappa - 4`` and ``lam / kappa**2``.

        Args:
            side: L.
            kappa: Hopping parameter, positive.
            lam: Quartic coupling of this convention.

        Raises:
            ValueError: If kappa is not positive, or as for the class.
        """
        check_positive(kappa=kappa)
        check_finite(lam=lam)
        return cls(side, (1 - 2 * lam) / kappa - 4, lam / kappa**2, kappa**-0.5)

    @classmethod
    def from_beta(cls, side: int, beta: float, lam: float = 0.5) -> Phi4:
        """From ``T = sum_x [-beta sum_mu psi_x psi_{x+mu} + (1 - 2 lam) psi^2 + lam psi^4]``.

        It is `from_kappa` with ``kappa = beta / 2``. At the usual ``lam = 1/2`` the term in
        psi^2 is absent: ``m2 = -4``, and ``beta = 2 sqrt(0.5 / lam_here)``.

        Args:
            side: L.
            beta: Positive.
            lam: Quartic coupling of this convention.

        Raises:
            ValueError: If beta is not positive, or as for the class.
        """
        check_positive(beta=beta)
        return cls.from_kappa(side, beta / 2, lam)

    @property
    def hopping(self) -> Hopping:
        """The same theory in the conventions of kappa and of beta, whatever this one came from.

        With ``lam_T = lam kappa^2`` and ``1 - 2 lam_T = (m2 + 4) kappa`` the positive root of
        ``2 lam kappa^2 + (m2 + 4) kappa = 1`` is
        ``kappa = 2 / (m2 + 4 + sqrt((m2 + 4)^2 + 8 lam))``.
        """
        mass = self.m2 + 4
        root = math.sqrt(mass**2 + 8 * self.lam)
        # the root has two forms; this takes the one without a difference of like numbers
        kappa = 2 / (mass + root) if mass > 0 else (root - mass) / (4 * self.lam)
        sites = math.prod(self.event_shape)
        shift = -0.5 * sites * math.log(kappa)
        return Hopping(kappa, 2 * kappa, self.lam * kappa**2, kappa**-0.5, shift)

    @property
    def gaussian(self) -> bool:
        """Whether the field is free, ``lam = 0``; then ln Z is known."""
        return self.lam == 0

    @property
    def spectrum(self) -> Tensor | None:
        """Covariance at ``lam = 0``, ``1 / (2 m2 + 2 khat^2)``; None if m2 is not positive."""
        side = self.event_shape[-1]
        return free_field_spectrum(side, side, self.m2) if self.m2 > 0 else None

    def energy(self, x: Tensor) -> Tensor:
        """``S(x)``, ``(B, 1, L, L) -> (B,)``."""
        square = x.square()
        return (gradient_squared(x) + square * (self.m2 + self.lam * square)).sum((1, 2, 3))

    @torch.no_grad()
    def force(self, x: Tensor) -> Tensor:
        """``2 sum_neighbours x' - (8 + 2 m2) x - 4 lam x^3``."""
        return 2 * neighbour_sum(x) - x * (8 + 2 * self.m2 + 4 * self.lam * x.square())
