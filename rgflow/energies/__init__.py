"""Target laws ``exp(-E(x)) / Z`` on periodic lattices."""

from rgflow.energies.base import Energy, Scaled
from rgflow.energies.complex_phi4 import ComplexPhi4
from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.energies.gaussian import GaussianField
from rgflow.energies.ising import Ising
from rgflow.energies.phi4 import Phi4
from rgflow.energies.physical import PhysicalVariables
from rgflow.energies.user import as_energy
from rgflow.energies.xy import XY

__all__ = [
    "CRITICAL_COUPLING",
    "XY",
    "ComplexPhi4",
    "Energy",
    "GaussianField",
    "Ising",
    "Phi4",
    "PhysicalVariables",
    "Scaled",
    "as_energy",
]
