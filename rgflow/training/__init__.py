"""Lightning modules and callbacks; nothing else in the package knows Lightning."""

from rgflow.training.likelihood import LikelihoodModule
from rgflow.training.rbm import RBMModule

__all__ = ["LikelihoodModule", "RBMModule"]
