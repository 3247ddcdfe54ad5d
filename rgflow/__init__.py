"""Invertible renormalization: hierarchical normalizing flows for physics and images."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rgflow.checkpoint import load_flow
    from rgflow.flow import Flow
    from rgflow.hierarchy import Hierarchy

__all__ = ["Flow", "Hierarchy", "load_flow"]

_HOMES = {"Flow": "flow", "Hierarchy": "hierarchy", "load_flow": "checkpoint"}
_PARTS = ("analysis", "bijectors", "conditioners", "energies", "models", "montecarlo",
          "objectives", "priors", "realspace", "statistics", "testing")  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import on first use: torch takes seconds, during which a signal must already end a run."""
    if name in _HOMES:
        return getattr(import_module(f"rgflow.{_HOMES[name]}"), name)
    if name in _PARTS:
        return import_module(f"rgflow.{name}")
    raise AttributeError(f"module 'rgflow' has no attribute {name!r}")
