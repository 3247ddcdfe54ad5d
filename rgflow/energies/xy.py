"""The XY model, as a law of fields on the real line that is exactly that of its angles."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rgflow.energies.base import Energy
from rgflow.energies.parameters import check_finite, check_side
from rgflow.energies.physical import PhysicalVariables
from rgflow.lattice.operators import forward_neighbours
from rgflow.runtime.counts import takes_counts


class XY(Energy):
    """XY model ``H = -J sum_<ij> cos(theta_i - theta_j)`` in unbounded variables.

    Angles live on a circle, flows on the real line: a periodic energy on the line has no
    normalisable law. Here every angle is ``theta = pi erf(x / sqrt 2)``, in (-pi, pi), and the
    Jacobian is part of the energy:
    ``E(x) = H(theta(x)) + sum_i [x_i^2 / 2 - ln(2 pi) / 2]``, so that
    ``int dx exp(-E) = int dtheta exp(-H) = Z``, and at J = 0 the law of x is standard normal.

    The price is a cut at ``theta = +-pi``: the law of the angles is exact and U(1) symmetric, but
    in x a turn of all angles is not linear, and steps that are small in x seldom cross the cut.
    Monte Carlo therefore moves the angles, by `angle_energy`, which is periodic.

    Args:
        side: L, at least 2; with L = 2 bonds are double.
        coupling: J in units of the temperature.

    Raises:
        ValueError: For a smaller side or a coupling that is not finite.

    >>> model = XY(side=4, coupling=1.0)
    >>> model.angle_energy(torch.full((1, 1, 4, 4), 0.3)).item()  # -J for each of 32 bonds
    -32.0
    """

    law_methods = ("energy", "angle_energy", "angles")
    even = translation_invariant = True

    @takes_counts
    def __init__(self, side: int, coupling: float) -> None:
        check_side(side)
        check_finite(coupling=coupling)
        super().__init__((1, side, side))
        self.coupling = coupling

    @property
    def physical(self) -> PhysicalVariables:
        """The angles, a function of the field."""
        return PhysicalVariables(
            "angles",
            draw=lambda x, generator: self.angles(x),
            energy=self.angle_energy,
            field=lambda angles, generator: self.field(angles),
            force=self.angle_force,
        )

    @property
    def cluster_hopping(self) -> float:
        """J, of the unit vectors."""
        return self.coupling

    @property
    def log_z(self) -> float | None:
        """Known for free angles, J = 0: ``N ln(2 pi)``."""
        sites = math.prod(self.event_shape)
        return sites * math.log(2 * math.pi) if self.coupling == 0 else None

    def scaled(self, factor: float) -> XY:
        """The model at coupling ``factor * J``."""
        return XY(self.event_shape[-1], factor * self.coupling)

    def energy(self, x: Tensor) -> Tensor:
        """``E(x)``, ``(B, 1, L, L) -> (B,)``."""
        normal = x.square() / 2 - math.log(2 * math.pi) / 2
        return self.angle_energy(self.angles(x)) + normal.sum((1, 2, 3))

    def angle_energy(self, angles: Tensor) -> Tensor:
        """``H(theta)``, ``(B, 1, L, L) -> (B,)``, of period 2 pi in every angle."""
        self._check(angles)
        down, right = forward_neighbours(angles)
        bonds = torch.cos(down - angles) + torch.cos(right - angles)
        return -self.coupling * bonds.sum((1, 2, 3))

    def angle_force(self, angles: Tensor) -> Tensor:
        """``-dH/dtheta = J sum_neighbours sin(theta' - theta)``, like the angles."""
        shifts = [(step, axis) for axis in (-2, -1) for step in (1, -1)]
        return self.coupling * sum((angles.roll(*shift) - angles).sin() for shift in shifts)

    def angles(self, x: Tensor) -> Tensor:
        """The angles of a field, in [-pi, pi], like x."""
        return math.pi * torch.erf(x / math.sqrt(2))

    def field(self, angles: Tensor) -> Tensor:
        """The field of any angles, like them; infinite at the cut, at odd multiples of pi."""
        turns = angles / (2 * math.pi)
        return math.sqrt(2) * torch.erfinv(2 * (turns - turns.round()))
