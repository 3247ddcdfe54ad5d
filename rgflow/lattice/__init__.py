"""Translation-invariant operators on periodic lattices."""

from rgflow.lattice.operators import (
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

__all__ = [
    "forward_neighbours",
    "gaussian_log_z",
    "gradient_squared",
    "half",
    "khat_squared",
    "multiply_modes",
    "neighbour_sum",
    "parseval_weights",
    "quadratic_form",
]
