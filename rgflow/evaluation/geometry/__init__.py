"""The geometry of a flow's bulk: what the residual information of its latents says of distance."""

from rgflow.evaluation.geometry.bulks import Bulks
from rgflow.evaluation.geometry.parts import geometry_parts

__all__ = ["Bulks", "geometry_parts"]
