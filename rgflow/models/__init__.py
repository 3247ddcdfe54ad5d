"""Flows from plain numbers: what a config or a checkpoint names."""

from rgflow.models.block import block_flow
from rgflow.models.conv import conv_flow
from rgflow.models.realnvp import realnvp_flow

__all__ = ["block_flow", "conv_flow", "realnvp_flow"]
