"""Where modules and settings of earlier versions are now, for the configs that name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MODULES = {
    "rgflow.energies.nodes": "rgflow.energies.from_config",
    "rgflow.realspace.rbm": "rgflow.realspace.model.rbm",
    "rgflow.training.base": "rgflow.training.flow_module",
}
"""Old dotted names of modules, and the present ones. Public names such as ``rgflow.models`` or
``rgflow.energies`` have not moved."""

SETTINGS = {
    "training.objective": "objective",
    "training.forward_weight": "objective.forward_weight",
}
"""Old names of settings on the command line, and the present ones."""

OBJECTIVES = {
    "path": "PathGradient",
    "reverse": "ReverseKL",
    "forward": "ForwardKL",
    "mixture": "Mixture",
}
"""Values of the old ``training.objective``, and classes of ``rgflow.objectives``."""


def present_target(target: str) -> str:
    """The present dotted name of a function or class that a config names.

    >>> present_target("rgflow.realspace.rbm.BlockRBM")
    'rgflow.realspace.model.rbm.BlockRBM'
    """
    for old, new in MODULES.items():
        if target.startswith(f"{old}."):
            return new + target.removeprefix(old)
    return target


def present_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of a checkpoint as the present version would write it.

    >>> old = {"training": {"objective": "mixture", "forward_weight": 0.3, "lr": 0.01}}
    >>> present_config(old)["training"]
    {'lr': 0.01}
    >>> present_config(old)["objective"]["forward_weight"]
    0.3
    """
    present = dict(config)
    training = present.get("training")
    if isinstance(training, dict) and str(training.get("objective")) in OBJECTIVES:
        present["training"] = training = dict(training)
        name, weight = training.pop("objective"), training.pop("forward_weight", None)
        node = {"_target_": f"rgflow.objectives.{OBJECTIVES[name]}", "_convert_": "all"}
        if name == "mixture" and weight is not None:
            node["forward_weight"] = weight
        present["objective"] = node
    return present


def refuse_moved_settings(overrides: Iterable[str]) -> None:
    """Refuse, with the present spelling, settings of a command line that have moved.

    Raises:
        ValueError: If there is one.

    >>> refuse_moved_settings(["training.objective=forward"])
    Traceback (most recent call last):
    ValueError: got training.objective=forward, expected objective=forward
    """
    for override in overrides:
        name, _, value = override.lstrip("+").partition("=")
        if name in SETTINGS:
            raise ValueError(f"got {override}, expected {SETTINGS[name]}={value}")
