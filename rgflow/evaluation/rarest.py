"""The states of a target that a flow makes too rare: what they are, beside all others."""

import math
from typing import Any

from torch import Tensor

from rgflow.energies import Energy
from rgflow.evaluation.physical_variables import vectors
from rgflow.lattice.domains import has_winding_walls, unlike_neighbours
from rgflow.montecarlo.reference import Reference
from rgflow.observables import magnetization
from rgflow.runtime.seeds import generator_for

RAREST = 32
"""Number of states that are looked at."""
COMPARED = 4096
"""About how many of all states they are compared with."""


def rarest_report(
    energy: Energy, reference: Reference, log_weights: Tensor, seed: int = 0
) -> dict[str, Any]:
    """Properties of the `RAREST` rarest states, beside those of all states of the target.

    The properties are those of the physical variables, such as spins: ``abs_m`` is the length of
    the magnetization, ``unlike_neighbours`` the share of neighbours with a negative product, and,
    where there is one component, ``winding_walls`` the share of states in which domains of both
    signs go around the torus. ``states`` are the numbers of the rarest, rarest first, among all
    states of all chains, ``reference.samples.flatten(0, 1)``.

    Args:
        energy: The target.
        reference: Its states.
        log_weights: ``-E - log q`` of the states, in the shape of their energies.
        seed: Seed of spins that are drawn given the field.
    """
    which = log_weights.flatten().topk(min(RAREST, log_weights.numel())).indices
    rarest = reference.samples.flatten(0, 1)[which]
    others = reference.samples.flatten(0, 1)
    others = others[:: max(1, len(others) // COMPARED)]
    of_rarest, of_others = (_properties(energy, x, seed) for x in (rarest, others))
    return {
        "count": len(rarest),
        "of": log_weights.numel(),
        "states": which.tolist(),
        "properties": [
            {"name": name, **_mean(values), **_mean(of_others[name], "typical_")}
            for name, values in of_rarest.items()
        ],
    }


def _mean(values: Tensor, prefix: str = "") -> dict[str, float]:
    """Mean and standard error of independent numbers."""
    error = values.std() / len(values) ** 0.5 if len(values) > 1 else math.nan
    return {f"{prefix}value": values.mean().item(), f"{prefix}error": float(error)}


def _properties(energy: Energy, x: Tensor, seed: int) -> dict[str, Tensor]:
    """One number for each state and property."""
    v = vectors(energy, x, generator_for("rarest", seed)).cpu()
    found = {
        "abs_m": magnetization(v).double().norm(dim=1),
        "unlike_neighbours": unlike_neighbours(v),
    }
    if v.shape[1] == 1:
        found["winding_walls"] = has_winding_walls(v).double()
    return found
