"""Checkpoints of tiny untrained flows, for tests of commands that read them."""

import torch

from rgflow.checkpoint import save_flow
from rgflow.runtime.config import build

FIELD_FLOW = {
    "_target_": "rgflow.models.conv_flow",
    "side": 4,
    "channels": 1,
    "couplings": [2],
    "hidden": [8],
    "smallest_side": 2,
    "prior": "gaussian",
    "pixels": False,
}
"""Configuration of a small flow of fields on 4 x 4 sites."""


def msds(**changes):
    """The node of a tiny set of MSDS1."""
    node = {"_target_": "rgflow.data.ImageDataModule", "dataset": "msds1", "side": 8}
    return node | {"batch_size": 4, "train_size": 8, "validation_size": 6, **changes}


def save_checkpoint(path, node, change=lambda flow: flow, **config):
    """Writes the flow of a node, drawn with seed 0 and changed, with more of a configuration."""
    torch.manual_seed(0)
    save_flow(change(build(node, "flow")), node, path)
    content = torch.load(path, weights_only=True)
    content["config"] |= config
    torch.save(content, path)
