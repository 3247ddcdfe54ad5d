"""Geometry out of mutual information: distances, their laws, curvature and embeddings."""

from rgflow.analysis.geometry.distance import BulkDistance, bulk_distance
from rgflow.analysis.geometry.embedding import Embedding, embed, hyperbolic_radius
from rgflow.analysis.geometry.gromov import Hyperbolicity, angle_sums, gromov_delta
from rgflow.analysis.geometry.half_plane import (
    CurvatureRadii,
    HalfPlaneFit,
    curvature_radii,
    fit_half_plane,
    half_plane_distances,
)
from rgflow.analysis.geometry.laws import (
    Fit,
    LawComparison,
    chord_length,
    compare_laws,
    fit_line,
)

__all__ = [
    "BulkDistance",
    "CurvatureRadii",
    "Embedding",
    "Fit",
    "HalfPlaneFit",
    "Hyperbolicity",
    "LawComparison",
    "angle_sums",
    "bulk_distance",
    "chord_length",
    "compare_laws",
    "curvature_radii",
    "embed",
    "fit_half_plane",
    "fit_line",
    "gromov_delta",
    "half_plane_distances",
    "hyperbolic_radius",
]
