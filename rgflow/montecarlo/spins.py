"""Swendsen-Wang of spins in the place of the field that stands for them."""

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.montecarlo.cluster import swendsen_wang
from rgflow.montecarlo.tuned_chains import Advance

CLUSTER_WARMUP = 100
"""Sweeps before the first state; at the critical point the autocorrelation time is below ten on
any lattice of this package."""


def clusters_of_spins(
    energy: Energy, chains: int, generator: torch.Generator, hopping: float
) -> Advance:
    """Cluster updates that move the spins of an energy such as the Ising model, in equilibrium.

    Args:
        energy: The model, whose physical variables are spins that give the field; the states are
            its fields.
        chains: B.
        generator: Source of all randomness.
        hopping: The coupling J >= 0 of the spins.
    """
    height, width = energy.event_shape[-2:]
    field = energy.physical.field

    def sweeps(count: int, warmup: int, spins: Tensor | None) -> Tensor:
        run = swendsen_wang(
            height,
            width,
            hopping,
            sweeps=count,
            chains=chains,
            warmup=warmup,
            generator=generator,
            spins=spins,
        )
        return run.samples  # (T, B, H, W)

    last = sweeps(1, CLUSTER_WARMUP, None)[-1]

    def advance(count: int) -> tuple[Tensor, float]:
        nonlocal last
        spins = sweeps(count, 0, last)
        last = spins[-1]
        fields = field(spins.flatten(0, 1)[:, None].float(), generator)
        return fields.unflatten(0, (count, chains)), 1.0

    return advance
