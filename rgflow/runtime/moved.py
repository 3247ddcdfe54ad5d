"""Where the modules of earlier versions are now, for the configs that name something in them."""

from __future__ import annotations

MOVED = {
    "rgflow.energies.nodes": "rgflow.energies.from_config",
    "rgflow.realspace.rbm": "rgflow.realspace.model.rbm",
    "rgflow.training.base": "rgflow.training.flow_module",
}
"""Old dotted names of modules, and the present ones. Public names such as ``rgflow.models`` or
``rgflow.energies`` have not moved."""


def present_target(target: str) -> str:
    """The present dotted name of a function or class that a config names.

    >>> present_target("rgflow.realspace.rbm.BlockRBM")
    'rgflow.realspace.model.rbm.BlockRBM'
    """
    for old, new in MOVED.items():
        if target.startswith(f"{old}."):
            return new + target.removeprefix(old)
    return target
