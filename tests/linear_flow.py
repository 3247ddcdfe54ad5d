"""Flows whose Jacobian does not depend on the point."""

import torch

from rgflow.bijectors.affine import ChannelMixing
from rgflow.models import BlockLevels, BlockNet, Outside, block_flow
from rgflow.testing import perturbed


def linear_flow(side=8, channels=2, prior="gaussian"):
    """A MERA in which only cells are mixed, in double precision: its couplings do nothing yet."""
    levels = BlockLevels(couplings=2, mixing="layers")
    net = BlockNet("mlp", hidden=4)
    flow = block_flow(side, channels, levels, net, outside=Outside(prior=prior)).double()
    for module in flow.modules():
        if isinstance(module, ChannelMixing):
            perturbed(module)
    return flow


def jacobian(function, z):
    """``d function(z) / d z`` of one event, ``(outputs, inputs)``, by forward mode alone."""
    of_event = torch.func.jacfwd(lambda event: function(event[None])[0])(z)
    return of_event.reshape(z.numel(), z.numel())
