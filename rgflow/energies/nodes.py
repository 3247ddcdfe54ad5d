"""Energies and their configuration nodes: how one is built, and in which words it is told."""

from collections.abc import Mapping
from typing import Any

from rgflow.config import build, check_target
from rgflow.energies.base import Energy
from rgflow.energies.user import UserEnergy, as_energy

MAKERS = ("rgflow.energies",)
"""Where the energies are that a file from elsewhere may name."""


def build_energy(node: Mapping[str, Any], trust: bool = False) -> Energy:
    """The energy of a configuration node, ``{"_target_": "rgflow.energies.Ising", "side": 8}``.

    Args:
        node: Plain dict.
        trust: Whether code outside this package may be imported and called, for users' own
            energies; not for a file whose origin is unknown.

    Raises:
        ValueError: If the target is elsewhere and not trusted, cannot be found or is no energy,
            or its arguments do not fit.

    >>> build_energy({"_target_": "rgflow.energies.GaussianField", "side": 4, "m2": 0.5}).m2
    0.5
    """
    if trust:
        return as_energy(build(node, "energy"))
    try:
        check_target(node.get("_target_"), "energy", MAKERS)
    except ValueError as error:
        raise ValueError(f"{error}; an energy of your own needs --trust (trust=True)") from None
    energy = build(node, "energy", within=MAKERS)
    if not isinstance(energy, Energy):
        raise ValueError(f"energy: got a {type(energy).__name__}, expected an Energy")
    return energy


def describe_energy(energy: Energy) -> dict[str, Any]:
    """Name, event shape and numbers of an energy: equal for equal laws, fit for JSON.

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
    }
