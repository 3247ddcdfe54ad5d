"""Invertible renormalization: hierarchical normalizing flows for physics and images."""

from rgflow.flow import Flow
from rgflow.hierarchy import Hierarchy

__all__ = ["Flow", "Hierarchy"]
