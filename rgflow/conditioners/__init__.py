"""The nets inside couplings, which read one half and give the parameters of the other."""

from rgflow.conditioners.lattice import ConvNet, Equivariant, PatchMLP
from rgflow.conditioners.mlp import MLP
from rgflow.conditioners.residual import ResidualMLP
from rgflow.conditioners.separate_heads import SeparateHeads

__all__ = ["MLP", "ConvNet", "Equivariant", "PatchMLP", "ResidualMLP", "SeparateHeads"]
