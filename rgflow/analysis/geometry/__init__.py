"""Geometry out of mutual information: distances, their laws, curvature and embeddings."""

from rgflow.analysis.geometry.bulk import (
    BulkInformation,
    Profile,
    along_boundary,
    along_scale,
    bulk_information,
    exact_bulk_information,
    pair_orbits,
)
from rgflow.analysis.geometry.cells import BulkCells, bulk_cells, translation_steps
from rgflow.analysis.geometry.distance import BulkDistance, bulk_distance
from rgflow.analysis.geometry.embedding import Embedding, embed, hyperbolic_radius
from rgflow.analysis.geometry.gromov import Hyperbolicity, angle_sums, gromov_delta
from rgflow.analysis.geometry.haar import (
    haar_flow,
    latent_covariance,
    massless_spectrum,
    sample_spectrum,
)
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
    "BulkCells",
    "BulkDistance",
    "BulkInformation",
    "CurvatureRadii",
    "Embedding",
    "Fit",
    "HalfPlaneFit",
    "Hyperbolicity",
    "LawComparison",
    "Profile",
    "along_boundary",
    "along_scale",
    "angle_sums",
    "bulk_cells",
    "bulk_distance",
    "bulk_information",
    "chord_length",
    "compare_laws",
    "curvature_radii",
    "embed",
    "exact_bulk_information",
    "fit_half_plane",
    "fit_line",
    "gromov_delta",
    "haar_flow",
    "half_plane_distances",
    "hyperbolic_radius",
    "latent_covariance",
    "massless_spectrum",
    "pair_orbits",
    "sample_spectrum",
    "translation_steps",
]
