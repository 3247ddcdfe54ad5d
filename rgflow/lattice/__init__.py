"""Translation-invariant operators on periodic lattices."""

from rgflow.lattice.operators import (
    bond_sum,
    forward_neighbours,
    gaussian_log_z,
    gradient_squared,
    half,
    khat_squared,
    multiply_modes,
    neighbour_sum,
    parseval_weights,
    quadratic_form,
)
from rgflow.lattice.spectrum import check_spectrum, has_symmetries

__all__ = [
    "bond_sum",
    "check_spectrum",
    "forward_neighbours",
    "gaussian_log_z",
    "gradient_squared",
    "half",
    "has_symmetries",
    "khat_squared",
    "multiply_modes",
    "neighbour_sum",
    "parseval_weights",
    "quadratic_form",
]
