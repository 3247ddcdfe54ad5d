"""Real-space renormalization of the Ising model, the discrete map that flows generalise."""

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.realspace.block_variable.environment import environment_mutual_information
from rgflow.realspace.coupling_map.coupling_flow import (
    correlation_length_exponent,
    coupling_weight,
    fixed_point,
    linearised_flow,
    renormalized_coupling,
)
from rgflow.realspace.model.rbm import BlockRBM

__all__ = [
    "CRITICAL_COUPLING",
    "BlockRBM",
    "correlation_length_exponent",
    "coupling_weight",
    "environment_mutual_information",
    "fixed_point",
    "linearised_flow",
    "renormalized_coupling",
]
