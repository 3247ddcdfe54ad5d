"""Lightning modules and callbacks; nothing else in the package knows Lightning."""

from rgflow.training.block_rbm import RBMModule
from rgflow.training.energy import EnergyModule
from rgflow.training.likelihood import LikelihoodModule

__all__ = ["EnergyModule", "LikelihoodModule", "RBMModule"]
