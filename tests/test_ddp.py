"""Two processes on the CPU: what they share and what they must not share."""

import json
import os
import signal
import subprocess
import sys
import time

import torch
from tiny_run import TINY, checkpoint, train

from rgflow.checkpoint import load_flow
from rgflow.config import build
from rgflow.objectives import evaluate_bits_per_dim

TWO = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


def start(run, root, *overrides, **pipes):
    command = [sys.executable, "-m", "rgflow.train", *TINY, *TWO, f"data.root={root}", *overrides]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command.append(f"hydra.run.dir={run}")
    return subprocess.Popen(command, env=environment, cwd=root, **pipes)


def test_two_ranks_learn_from_different_samples_and_agree_on_the_metrics(tmp_path):
    assert start(tmp_path / "two", tmp_path).wait(120) == 0
    assert train(f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/one") == 0
    two, one = checkpoint(tmp_path / "two"), checkpoint(tmp_path / "one")
    assert two["global_step"] == one["global_step"] == 3
    # had both ranks the samples of the first, the mean gradient and hence the weights would agree
    weights = [torch.cat([w.flatten() for w in c["state_dict"].values()]) for c in (two, one)]
    assert (weights[0] - weights[1]).abs().max() > 1e-5
    metrics = json.loads((tmp_path / "two/metrics.json").read_text())
    module = build(two["config"]["data"], "data")
    module.prepare_data()
    module.setup()
    flow = load_flow(tmp_path / "two/checkpoints/last.ckpt")
    bits, _ = evaluate_bits_per_dim(flow, module.images("test"))
    assert abs(metrics["bits_per_dim"] - bits) < 0.05  # other noise


def test_missing_data_is_one_line_from_one_process(tmp_path):
    process = start(tmp_path / "run", tmp_path, "data=cifar10", stderr=subprocess.PIPE, text=True)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_signal_to_the_first_process_stops_both(tmp_path):
    process = start(tmp_path / "run", tmp_path, "max_steps=100000")
    log = tmp_path / "run/train.log"
    while not (log.exists() and "step 5/" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["interrupted"] is True
    assert checkpoint(tmp_path / "run")["global_step"] == metrics["steps"]
