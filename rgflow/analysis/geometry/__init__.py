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
from rgflow.analysis.geometry.collective import (
    CollectiveMode,
    collective_directions,
    collective_mode,
)
from rgflow.analysis.geometry.distance import BulkDistance, bulk_distance
from rgflow.analysis.geometry.embedding import Embedding, embed, hyperbolic_radius
from rgflow.analysis.geometry.gromov import Hyperbolicity, gromov_delta, known_fours
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
    fit_periodic_line,
    periodic_line,
)
from rgflow.analysis.geometry.pairs import (
    HalfPlane,
    OrbitPairs,
    distance_matrix,
    half_plane,
    orbit_pairs,
    predicted_matrix,
    separations,
    slice_cells,
)
from rgflow.analysis.geometry.phases import field_phases, vortex_density, winding_numbers
from rgflow.analysis.geometry.windows import (
    BoundaryLaws,
    ScaleLaw,
    boundary_laws,
    scale_law,
)

__all__ = [
    "BoundaryLaws",
    "BulkCells",
    "BulkDistance",
    "BulkInformation",
    "CollectiveMode",
    "CurvatureRadii",
    "Embedding",
    "Fit",
    "HalfPlane",
    "HalfPlaneFit",
    "Hyperbolicity",
    "LawComparison",
    "OrbitPairs",
    "Profile",
    "ScaleLaw",
    "along_boundary",
    "along_scale",
    "boundary_laws",
    "bulk_cells",
    "bulk_distance",
    "bulk_information",
    "chord_length",
    "collective_directions",
    "collective_mode",
    "compare_laws",
    "curvature_radii",
    "distance_matrix",
    "embed",
    "exact_bulk_information",
    "field_phases",
    "fit_half_plane",
    "fit_line",
    "fit_periodic_line",
    "gromov_delta",
    "haar_flow",
    "half_plane",
    "half_plane_distances",
    "hyperbolic_radius",
    "known_fours",
    "latent_covariance",
    "massless_spectrum",
    "orbit_pairs",
    "pair_orbits",
    "periodic_line",
    "predicted_matrix",
    "sample_spectrum",
    "scale_law",
    "separations",
    "slice_cells",
    "translation_steps",
    "vortex_density",
    "winding_numbers",
]
