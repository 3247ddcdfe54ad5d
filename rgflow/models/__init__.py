"""Whole flows from plain numbers, which is what a configuration or a checkpoint names."""

from rgflow.models.block import BlockLevels, BlockNet, block_flow
from rgflow.models.conv import ConvLevels, DenseTop, LatticeNet, conv_flow
from rgflow.models.parts import CouplingKind, Outside
from rgflow.models.realnvp import RealNVPLayers, realnvp_flow

__all__ = [
    "BlockLevels",
    "BlockNet",
    "ConvLevels",
    "CouplingKind",
    "DenseTop",
    "LatticeNet",
    "Outside",
    "RealNVPLayers",
    "block_flow",
    "conv_flow",
    "realnvp_flow",
]
