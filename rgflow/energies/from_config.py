"""Energies and their configuration nodes: how one is built, and how one is described."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from rgflow.energies.base import Energy
from rgflow.energies.symmetries import probe_fields
from rgflow.energies.user import UserEnergy, as_energy
from rgflow.runtime.config import build, is_inside, with_trusted
from rgflow.runtime.seeds import generator_for

MAKERS = ("rgflow.energies",)
"""Modules of the energies that a file of unknown origin may name."""

PROBES = 3
"""Number of fields whose energies are part of a description."""
PROBE_TOLERANCE = 1e-5
"""Largest difference between these energies of equal models, relative to the largest energy; it is
far above the noise of float32."""


def build_energy(node: Mapping[str, Any], trust: str | Sequence[str] = ()) -> Energy:
    """The energy of a configuration node, ``{"_target_": "rgflow.energies.Ising", "side": 8}``.

    Args:
        node: The node as a plain dict.
        trust: Names of users' own modules, such as ``["mypackage"]``, that may be imported and
            called. Trust no module for a file whose origin you do not know.

    Raises:
        ValueError: If the target is outside this package and not trusted, cannot be found or is no
            energy, or its arguments do not fit.

    >>> build_energy({"_target_": "rgflow.energies.GaussianField", "side": 4, "m2": 0.5}).m2
    0.5
    """
    energy = build(node, "energy", within=with_trusted(MAKERS, trust))
    is_ours = is_inside(node["_target_"], MAKERS)
    if is_ours and not isinstance(energy, Energy):
        raise ValueError(f"energy: got a {type(energy).__name__}, expected an Energy")
    return energy if is_ours else as_energy(energy)


def describe_energy(energy: Energy) -> dict[str, Any]:
    """Name, event shape and parameters of an energy, and its values for some fields, for JSON.

    ``probe_energies`` are the values, to six digits, for three fixed fields of white noise. They
    distinguish energies whose plain numbers are equal, such as ones with tensors of couplings.

    >>> from rgflow.energies import Phi4
    >>> describe_energy(Phi4(side=4, m2=-4.0, lam=7.0))["lam"]
    7.0
    """
    model = energy.inner if isinstance(energy, UserEnergy) else energy
    numbers = {
        name: value
        for name, value in vars(model).items()
        if type(value) in (int, float) and not name.startswith("_")
    }
    return {
        "name": type(model).__name__,
        "event_shape": list(energy.event_shape),
        **numbers,
        "probe_energies": [float(f"{value:.6g}") for value in _probe(energy)],
    }


def same_energy(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two descriptions are of the same energy, with probe energies equal to rounding.

    >>> from rgflow.energies import GaussianField
    >>> one, other = (describe_energy(GaussianField(4, m2)) for m2 in (0.3, 0.4))
    >>> same_energy(one, one), same_energy(one, other)
    (True, False)
    """
    first, second = dict(a), dict(b)
    mine, yours = (one.pop("probe_energies", []) for one in (first, second))
    if first != second or len(mine) != len(yours):
        return False
    tolerance = PROBE_TOLERANCE * max(map(abs, (*mine, *yours)), default=0.0)
    return all(abs(p - q) <= tolerance for p, q in zip(mine, yours, strict=True))


@torch.no_grad()
def _probe(energy: Energy) -> list[float]:
    x = probe_fields(energy, PROBES, generator_for("probe energies"))
    return energy.energy(x).double().tolist()
