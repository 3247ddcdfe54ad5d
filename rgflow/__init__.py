"""Invertible renormalization: hierarchical normalizing flows for physics and images."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rgflow.checkpoint import load_flow
    from rgflow.flow import Flow
    from rgflow.hierarchy import Hierarchy

_HOMES = {"Flow": "flow", "Hierarchy": "hierarchy", "load_flow": "checkpoint"}
_PARTS = ("analysis", "bijectors", "conditioners", "energies", "models", "montecarlo",
          "objectives", "observables", "priors", "realspace", "statistics", "testing")  # fmt: skip

__all__ = ["Flow", "Hierarchy", "load_flow"]


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes seconds, during which a signal must already end a run."""
    if name in _HOMES:
        return getattr(import_module(f"rgflow.{_HOMES[name]}"), name)
    if name in _PARTS:
        return import_module(f"rgflow.{name}")
    if name == "__version__":
        return import_module("importlib.metadata").version("rgflow")
    raise AttributeError(f"module 'rgflow' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted([*__all__, *_PARTS, "__version__"])
