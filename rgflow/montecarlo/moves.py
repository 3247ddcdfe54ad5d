"""Moves of fields under which the law of an energy does not change, tuned for it."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.montecarlo.angles import tuned_angles
from rgflow.montecarlo.cluster import cluster_sweep, neighbours, numpy_generator, swendsen_wang
from rgflow.montecarlo.methods import method_of_moves, tuned_fields, usable_hopping
from rgflow.montecarlo.spins import CLUSTER_WARMUP
from rgflow.montecarlo.tuned_chains import TunedChains


class Moves(NamedTuple):
    """A move of all chains, and states near equilibrium to begin with.

    Attributes:
        method: ``cluster`` or ``hmc``, the method of `reference_samples` that moves so.
        start: ``(B, *event_shape)``.
        move: New fields from fields, both ``(B, *event_shape)``; the law ``exp(-E) / Z`` stays.
    """

    method: str
    start: Tensor
    move: Callable[[Tensor], Tensor]


def moves_of(energy: Energy, chains: int, generator: torch.Generator) -> Moves:
    """Cluster moves, with HMC in between where the lengths change, or HMC where there are none.

    Spins and angles move in the place of the field that stands for them. They are drawn from
    their law given the field, moved, and the field is drawn from its law given them: each of the
    three steps keeps the joint law.

    Args:
        energy: The target, on the CPU.
        chains: B.
        generator: Source of all randomness, on the CPU.

    Raises:
        ValueError: If HMC cannot move the energy.
    """
    method, physical = method_of_moves(energy), energy.physical
    hopping = usable_hopping(energy) if method == "cluster" else None
    kind = "field" if physical is None or physical.field is None else physical.kind
    if kind == "spins" and hopping is not None:
        return _spins(energy, chains, generator, hopping)
    if kind == "angles":
        tuned = tuned_angles(energy, chains, generator, hopping)

        def turn(x: Tensor) -> Tensor:
            angles = physical.draw(x.double(), generator)
            return physical.field(_moved(tuned, angles), generator).to(x)

        return Moves(method, physical.field(tuned.x, generator), turn)
    tuned = tuned_fields(energy, chains, generator, hopping)
    return Moves(method, tuned.x, lambda x: _moved(tuned, x))


def _moved(tuned: TunedChains, x: Tensor) -> Tensor:
    tuned.x = x
    return tuned.advance(1)[0][0]


def _spins(energy: Energy, chains: int, generator: torch.Generator, hopping: float) -> Moves:
    height, width = energy.event_shape[-2:]
    physical, shape = energy.physical, (chains, height, width)
    bonds, rng = neighbours(shape), numpy_generator(generator)

    def field(spins: Tensor) -> Tensor:
        return physical.field(spins.view(chains, 1, height, width).float(), generator)

    def sweep(x: Tensor) -> Tensor:
        spins = physical.draw(x, generator).to(torch.int8).numpy().ravel()
        cluster_sweep(spins, bonds, hopping, rng)
        return field(torch.from_numpy(spins)).to(x)

    run = swendsen_wang(
        height,
        width,
        hopping,
        sweeps=1,
        chains=chains,
        warmup=CLUSTER_WARMUP,
        generator=generator,
    )
    return Moves("cluster", field(run.samples[-1]), sweep)
