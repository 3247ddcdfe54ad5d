"""The sampler that is best for an energy, or that is asked for, in equilibrium."""

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.montecarlo.angles import hmc_of_angles
from rgflow.montecarlo.embedded import embedded_clusters
from rgflow.montecarlo.spins import clusters_of_spins
from rgflow.montecarlo.tuned import scaled_start, tuned_chains
from rgflow.montecarlo.tuned_chains import Advance, TunedChains


def best_method(energy: Energy) -> str:
    """What ``auto`` takes for this energy: ``exact``, ``cluster`` or ``hmc``."""
    return "exact" if energy.sample is not None else method_of_moves(energy)


def method_of_moves(energy: Energy) -> Literal["cluster", "hmc"]:
    """How Markov chains move this energy: by clusters where they help, otherwise by HMC."""
    # the exact masses of a Gaussian law are as good as clusters
    return "hmc" if energy.gaussian or usable_hopping(energy) is None else "cluster"


def usable_hopping(energy: Energy) -> float | None:
    """The energy's ``cluster_hopping`` where it can be used, otherwise None.

    It must not be negative, and clusters of spins or angles need a way back to the field.
    """
    hopping, physical = energy.cluster_hopping, energy.physical
    is_usable = physical is None or (physical.kind != "field" and physical.field is not None)
    return hopping if hopping is not None and hopping >= 0 and is_usable else None


def prepared(energy: Energy, method: str, chains: int, generator: torch.Generator) -> Advance:
    """A sampler of the energy, tuned and in equilibrium.

    Args:
        energy: The target, on the CPU.
        method: ``exact``, ``cluster`` or ``hmc``.
        chains: B.
        generator: Source of all randomness.

    Raises:
        ValueError: If the method cannot sample the energy.
    """
    name = type(energy).__name__
    if method == "exact":
        if energy.sample is None:
            raise ValueError(f"method: got 'exact', but {name} has no sample(n, generator)")
        return _exact(energy.sample, chains, generator)
    if method not in ("cluster", "hmc"):
        raise ValueError(f"method: got {method!r}, expected auto, exact, cluster or hmc")
    hopping = usable_hopping(energy) if method == "cluster" else None
    if method == "cluster" and hopping is None:
        raise ValueError(
            f"method: got 'cluster' for {name}, expected an Ising or XY model, phi^4, or another "
            "energy that offers a cluster_hopping, with a coupling that is not negative"
        )
    physical = energy.physical
    kind = "field" if physical is None or physical.field is None else physical.kind
    if kind == "spins" and hopping is not None:
        return clusters_of_spins(energy, chains, generator, hopping)
    if kind == "angles":
        return hmc_of_angles(energy, chains, generator, hopping)
    return tuned_fields(energy, chains, generator, hopping).advance


def tuned_fields(
    energy: Energy, chains: int, generator: torch.Generator, hopping: float | None
) -> TunedChains:
    """HMC of the field, tuned, with embedded clusters in between where there is a hopping."""
    noise = torch.randn(chains, *energy.event_shape, generator=generator)
    start = scaled_start(energy, noise)
    move = None if hopping is None else partial(embedded_clusters, hopping=hopping)
    return tuned_chains(energy, start, generator, energy.spectrum, move=move)


def _exact(
    sample: Callable[[int, torch.Generator], Tensor], chains: int, generator: torch.Generator
) -> Advance:
    def advance(count: int) -> tuple[Tensor, float]:
        return sample(count * chains, generator).unflatten(0, (count, chains)), 1.0

    return advance
