"""Training runs small enough for a test, through the real command."""

import json
import logging
import os
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import torch
from hydra._internal.hydra import Hydra

from rgflow.runtime.hydra_command import run_hydra_command
from rgflow.train import main
from rgflow.training.callbacks.progress import Throughput

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
TINY_MSDS1 = ["experiment=msds1", *TINY]

TINY_ENERGY = [
    "experiment=ising_l4",
    "flow.couplings=2",
    "flow.hidden=8",
    "flow.top_couplings=2",
    "flow.top_hidden=8",
    "training.batch_size=16",
    "training.eval_samples=64",
    "training.report_samples=256",
    "training.reference_states=200",
    "training.warmup_steps=2",
    "max_steps=4",
    "validation_every=1000",
    "log_every=1",
]


def train(*overrides, tiny=True, has_curve=False):
    """Call the command in this process and return its exit status.

    Without another preset, a tiny run is one of ``msds1``, whose flow the tiny settings fit.
    ``loss.png`` takes as long as a tiny run and is drawn where it is asked for.
    """
    own = TINY if any(str(o).startswith("experiment=") for o in overrides) else TINY_MSDS1
    curve = "rgflow.training.callbacks.run_directory.draw_loss_curve"
    with nullcontext() if has_curve else mock.patch(curve):
        return _command(main, [*(own if tiny else []), *map(str, overrides)])


def command(work, *overrides):
    """As `train`, with a function of one's own in the place of training."""
    resumed = {"training": {}, "trainer": {}}
    return _command(lambda: run_hydra_command(work, lambda path: resumed), overrides)


def _command(call, overrides):
    handlers, level = logging.root.handlers[:], logging.root.level
    # argparse wants -m in front of all overrides or behind them
    arguments = ["train", *sorted(overrides, key=lambda text: text != "-m")]
    # Hydra composes everything twice, at first only to ask for a mode that no preset of ours sets
    mode = mock.patch.object(Hydra, "get_mode", return_value=None)
    try:
        with mode, mock.patch.object(sys, "argv", arguments), mock.patch.dict(os.environ):
            call()
    except SystemExit as end:
        return end.code
    finally:  # Hydra has made handlers that write to this test's captured output
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
    return 0


def checkpoint(run, name="last"):
    return torch.load(Path(run) / "checkpoints" / f"{name}.ckpt", weights_only=True)


def metrics(directory):
    return json.loads((directory / "metrics.json").read_text())


def stop_after(monkeypatch, step, signum=signal.SIGTERM, times=1):
    """Let a signal arrive while that step is running."""
    original = Throughput.on_train_batch_end

    def hook(self, trainer, *args):
        original(self, trainer, *args)
        if trainer.global_step == step:
            for _ in range(times):
                signal.raise_signal(signum)

    monkeypatch.setattr(Throughput, "on_train_batch_end", hook)


def assert_equal(a, b, name=""):
    assert type(a) is type(b), name
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), name
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), name
        for key in a:
            assert_equal(a[key], b[key], f"{name}.{key}")
    elif isinstance(a, list | tuple):
        assert len(a) == len(b), name
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_equal(x, y, f"{name}.{i}")
    else:
        assert a == b, name
