"""Training runs small enough for a test, through the real command."""

import logging
import os
import sys
from pathlib import Path
from unittest import mock

import torch

from rgflow.train import main

TINY = [
    "flow.side=8",
    "flow.couplings=[2]",
    "flow.hidden=[8]",
    "flow.top_couplings=2",
    "flow.top_hidden=8",
    "data.side=8",
    "data.batch_size=4",
    "data.eval_batch_size=8",
    "data.train_size=40",
    "data.validation_size=12",
    "data.test_size=12",
    "training.pictures=4",
    "training.warmup_steps=2",
    "validation_every=1000",
    "log_every=1",
    "max_steps=3",
]


def train(*overrides, tiny=True):
    """Call the command in this process and return its exit status."""
    handlers, level = logging.root.handlers[:], logging.root.level
    overrides = [*(TINY if tiny else []), *map(str, overrides)]
    # argparse wants -m in front of all overrides or behind them
    arguments = ["train", *sorted(overrides, key=lambda text: text != "-m")]
    try:
        with mock.patch.object(sys, "argv", arguments), mock.patch.dict(os.environ):
            main()
    except SystemExit as end:
        return end.code
    finally:  # Hydra has made handlers that write to this test's captured output
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
    return 0


def checkpoint(run, name="last"):
    return torch.load(Path(run) / "checkpoints" / f"{name}.ckpt", weights_only=True)
