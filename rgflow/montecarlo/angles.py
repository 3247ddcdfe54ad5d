"""Monte Carlo of the XY model in the space of its angles."""

import math

import torch
from torch import Tensor

from rgflow.energies import XY
from rgflow.montecarlo.embedded import embedded_clusters
from rgflow.montecarlo.tuned import Advance, squared_magnetization, tuned_hmc


class _Angles:
    """The XY model on its angles, where nothing hinders a turn of all of them."""

    def __init__(self, model: XY) -> None:
        self.event_shape = model.event_shape
        self.energy = model.angle_energy
        self.coupling = model.coupling

    def force(self, angles: Tensor) -> Tensor:
        """``J sum_neighbours sin(theta' - theta)``."""
        shifts = [(step, axis) for axis in (-2, -1) for step in (1, -1)]
        return self.coupling * sum((angles.roll(*shift) - angles).sin() for shift in shifts)

    def clusters(self, angles: Tensor, generator: torch.Generator) -> Tensor:
        """`embedded_clusters` of the unit vectors, angles ``(B, 1, L, L)`` to angles."""
        vectors = torch.cat([angles.cos(), angles.sin()], 1)  # (B, 2, L, L)
        first, second = embedded_clusters(vectors, generator, self.coupling).chunk(2, 1)
        return torch.atan2(second, first)


def hmc_of_angles(
    energy: XY, chains: int, generator: torch.Generator, *, clusters: bool = False
) -> Advance:
    """HMC of the XY model on its angles, with or without cluster updates, made ready.

    Args:
        energy: The model; states are fields of it.
        chains: B.
        generator: Source of all randomness.
        clusters: Whether clusters are updated after each trajectory; wants J >= 0.
    """
    model = _Angles(energy)
    shape = (chains, *energy.event_shape)
    # in float64, since in float32 some angles would round to the cut, where the field is infinite
    start = math.pi * (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1)
    angles = tuned_hmc(
        model,
        start,
        generator,
        slow=lambda theta: squared_magnetization(torch.cat([theta.cos(), theta.sin()], -3)),
        longest_step=math.pi / 2,
        move=model.clusters if clusters else None,
    )

    def advance(count: int) -> tuple[Tensor, float]:
        theta, acceptance = angles(count)
        return energy.field(theta), acceptance

    return advance
