"""Invertible renormalization: hierarchical normalizing flows for physics and images."""

from rgflow.checkpoint import load_flow
from rgflow.flow import Flow
from rgflow.hierarchy import Hierarchy

__all__ = ["Flow", "Hierarchy", "load_flow"]
