"""Functions that make one small energy of each kind."""

from rgflow.energies import XY, ComplexPhi4, GaussianField, Ising, Phi4

ENERGIES = {
    "gaussian": lambda: GaussianField(6, 0.3),
    "gaussian_side_2": lambda: GaussianField(2, 1.0),
    "ising": lambda: Ising(4),
    "ising_odd": lambda: Ising(5, 0.3),
    "ising_antiferromagnet": lambda: Ising(4, -0.5),
    "ising_side_2": lambda: Ising(2, 0.6, margin=0.5),
    "phi4": lambda: Phi4(6, -4.0, 6.975),
    "phi4_odd": lambda: Phi4(3, 0.5, 0.1),
    "complex_phi4": lambda: ComplexPhi4(4, 1.0, 1.5, 0.5),
    "xy": lambda: XY(4, 0.9),
    "scaled_phi4": lambda: Phi4(4, -4.0, 6.0).scaled(0.3),
    "scaled_ising": lambda: Ising(4).scaled(0.3),
}
