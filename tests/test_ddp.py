"""Two processes on the CPU: what they share and what they must not share."""

import json
import os
import signal
import subprocess
import sys
import time

import torch
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from tiny_run import TINY_MSDS1, checkpoint, train

from rgflow.checkpoint import load_flow
from rgflow.evaluation import evaluate_bits_per_dim
from rgflow.runtime.config import build

FIELDS = [
    "flow.couplings=2",
    "flow.hidden=8",
    "flow.top_couplings=2",
    "flow.top_hidden=8",
    "training.batch_size=16",
    "training.warmup_steps=2",
    "log_every=1",
]
TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


def start(run, root, *overrides):
    command = [sys.executable, "-m", "rgflow.train", *TWO, *overrides, f"hydra.run.dir={run}"]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, cwd=root)


def distance(a, b):
    """Largest difference of two checkpoints' weights, zero if both ranks had the same samples."""
    weights = [torch.cat([w.flatten() for w in c["state_dict"].values()]) for c in (a, b)]
    return (weights[0] - weights[1]).abs().max()


def test_two_ranks_learn_from_different_samples_and_agree_on_the_metrics(tmp_path):
    assert start(tmp_path / "two", tmp_path, *TINY_MSDS1, f"data.root={tmp_path}").wait(120) == 0
    assert train(f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/one") == 0
    two, one = checkpoint(tmp_path / "two"), checkpoint(tmp_path / "one")
    assert two["global_step"] == one["global_step"] == 3
    assert distance(two, one) > 1e-5
    metrics = json.loads((tmp_path / "two/metrics.json").read_text())
    module = build(two["config"]["data"], "data")
    module.prepare_data()
    module.setup()
    flow = load_flow(tmp_path / "two/checkpoints/last.ckpt")
    bits, _ = evaluate_bits_per_dim(flow, module.images("test"))
    assert abs(metrics["bits_per_dim"] - bits) < 0.05  # other noise


def test_missing_data_is_one_line_before_other_processes_start(tmp_path, monkeypatch, capfd):
    def launch(self, *_, **__):
        raise AssertionError("starts processes")

    monkeypatch.setattr(_SubprocessScriptLauncher, "launch", launch)
    overrides = ["data=cifar10", f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/run"]
    assert train(*TWO, *overrides) == 1
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


SPY = """
import os

import torch


class Spy:
    event_shape = (1, 4, 4)

    def energy(self, x):
        if len(x) == 16:  # a batch of training
            rank = os.environ.get("LOCAL_RANK", "0")
            seen = [p for p in os.listdir() if p.startswith(f"rank{rank}-")]
            torch.save(x.detach().clone(), f"rank{rank}-{len(seen)}.pt")
        return x.square().sum((1, 2, 3))
"""


def test_a_signal_to_the_first_process_stops_both_which_had_different_samples(
    tmp_path, monkeypatch
):
    (tmp_path / "spies.py").write_text(SPY)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    own = ["experiment=energy", "energy._target_=spies.Spy", "flow.side=4"]
    process = start(tmp_path / "two", tmp_path, *FIELDS, *own, "max_steps=100000")
    log = tmp_path / "two/train.log"
    while not (log.exists() and "step 5/" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    metrics = json.loads((tmp_path / "two/metrics.json").read_text())
    assert metrics["interrupted"] is True
    assert checkpoint(tmp_path / "two")["global_step"] == metrics["steps"] >= 5
    first, second = (
        torch.cat([torch.load(p, weights_only=True) for p in tmp_path.glob(f"rank{rank}-*")])
        for rank in (0, 1)
    )
    for samples in (first, second):
        assert len(samples.unique(dim=0)) == len(samples) >= 5 * 16  # new ones in every step
    assert not (first[:, None] == second).flatten(2).all(2).any()


MORTAL = """
import os, signal


class Mortal:
    event_shape = (1, 4, 4)
    steps = 0

    def energy(self, x):
        self.steps += len(x) == 16  # a batch of training
        if self.steps > 5 and os.environ.get("LOCAL_RANK") == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        return x.square().sum((1, 2, 3))
"""


def test_a_process_that_is_killed_ends_the_run_in_a_line_that_says_so(
    tmp_path, monkeypatch, capfd
):
    (tmp_path / "mortals.py").write_text(MORTAL)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)
    own = ["experiment=energy", "energy._target_=mortals.Mortal", "flow.side=4"]
    own += ["max_steps=100000", "validation_every=2", "trainer.limit_val_batches=0"]
    assert start(tmp_path / "two", tmp_path, *FIELDS, *own).wait(60) == 1
    (line,) = (text for text in capfd.readouterr().err.splitlines() if "Warning" not in text)
    last = f"{tmp_path}/two/checkpoints/last.ckpt"
    assert line.startswith(f"error: process 1 of 0 to 1 has ended by SIGKILL; {last} is intact")
    assert json.loads((tmp_path / "two/metrics.json").read_text())["status"] == "failed"
