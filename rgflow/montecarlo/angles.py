"""Monte Carlo of angles in the place of the field that stands for them."""

import math
from functools import partial

import torch
from torch import Tensor

from rgflow.energies import Energy, PhysicalVariables
from rgflow.energies.gradient import minus_gradient
from rgflow.energies.physical import unit_vectors
from rgflow.montecarlo.embedded import embedded_clusters
from rgflow.montecarlo.tuned import squared_magnetization, tuned_chains
from rgflow.montecarlo.tuned_chains import Advance, TunedChains


class AngleTarget:
    """The law of the angles, in which nothing hinders a turn of all of them.

    Args:
        event_shape: ``(1, L, L)``.
        physical: The angles of an energy.
    """

    def __init__(self, event_shape: tuple[int, ...], physical: PhysicalVariables) -> None:
        self.event_shape = event_shape
        self.energy = physical.energy
        self.force = physical.force or partial(minus_gradient, physical.energy)


def move_clusters(angles: Tensor, generator: torch.Generator, hopping: float) -> Tensor:
    """`embedded_clusters` of the unit vectors, angles ``(B, 1, L, L)`` to angles."""
    moved = embedded_clusters(unit_vectors(angles), generator, hopping)
    first, second = moved.chunk(2, 1)
    return torch.atan2(second, first)


def tuned_angles(
    energy: Energy, chains: int, generator: torch.Generator, hopping: float | None = None
) -> TunedChains:
    """HMC of the angles of an energy, tuned; the arguments are those of `hmc_of_angles`."""
    shape = (chains, *energy.event_shape)
    # in float64, since in float32 some angles would round to the cut, where the field is infinite
    start = math.pi * (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1)
    return tuned_chains(
        AngleTarget(energy.event_shape, energy.physical),
        start,
        generator,
        slow=lambda theta: squared_magnetization(unit_vectors(theta)),
        longest_step=math.pi / 2,
        move=None if hopping is None else partial(move_clusters, hopping=hopping),
    )


def hmc_of_angles(
    energy: Energy, chains: int, generator: torch.Generator, hopping: float | None = None
) -> Advance:
    """HMC that moves the angles of an energy such as the XY model, tuned and in equilibrium.

    Args:
        energy: The model, whose physical variables are angles that give the field; the states are
            its fields.
        chains: B.
        generator: Source of all randomness.
        hopping: t >= 0 between the unit vectors, if clusters are to be updated after each
            trajectory; None for HMC alone.
    """
    physical = energy.physical
    angles = tuned_angles(energy, chains, generator, hopping)

    def advance(count: int) -> tuple[Tensor, float]:
        theta, acceptance = angles.advance(count)
        fields = physical.field(theta.flatten(0, 1), generator)
        return fields.unflatten(0, theta.shape[:2]), acceptance

    return advance
