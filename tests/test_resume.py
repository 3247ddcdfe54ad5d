import json
import signal

import pytest
import torch
from tiny_run import checkpoint, train

from rgflow.training.reporting import Throughput

STEPS_PER_EPOCH = 10  # 40 images in batches of 4


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


@pytest.mark.parametrize(
    ("half", "validation_every"),
    [(STEPS_PER_EPOCH, 1000), (STEPS_PER_EPOCH, 5), (7, 3), (7, 7), (12, 5)],
)
def test_stopping_and_resuming_changes_no_bit(half, validation_every, tmp_path, monkeypatch):
    common = [f"max_steps={2 * half}", f"validation_every={validation_every}"]
    common += [f"data.root={tmp_path}", "data.horizontal_flip=true"]
    assert train(*common, f"hydra.run.dir={tmp_path}/whole") == 0
    with monkeypatch.context() as patch:
        stop_after(patch, half)
        assert train(*common, f"hydra.run.dir={tmp_path}/first") == 128 + signal.SIGTERM
    assert checkpoint(tmp_path / "first")["global_step"] == half
    last = tmp_path / "first/checkpoints/last.ckpt"
    assert train(*common, f"hydra.run.dir={tmp_path}/second", f"ckpt_path={last}") == 0
    whole, resumed = checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "second")
    for part in ("state_dict", "current_model_state", "averaging_state", "optimizer_states"):
        assert_equal(whole[part], resumed[part], part)
    average, current = whole["state_dict"], whole["current_model_state"]
    assert any(not torch.equal(average[name], current[name]) for name in current)
    scores = [
        json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("whole", "second")
    ]
    assert scores[0]["bits_per_dim"] == scores[1]["bits_per_dim"]


def test_resuming_in_the_same_directory_and_from_the_best(tmp_path, monkeypatch):
    common = ["max_steps=9", "validation_every=3", f"data.root={tmp_path}"]
    assert train(*common, f"hydra.run.dir={tmp_path}/whole") == 0
    run = f"hydra.run.dir={tmp_path}/run"
    with monkeypatch.context() as patch:
        stop_after(patch, 7)
        assert train(*common, run) == 128 + signal.SIGTERM
    best = tmp_path / "run/checkpoints/best.ckpt"
    assert torch.load(best, weights_only=True)["global_step"] == 6
    assert train(*common, run, f"ckpt_path={best}") == 0
    assert {p.name for p in best.parent.iterdir()} == {"best.ckpt", "last.ckpt"}
    whole, resumed = checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "run")
    assert_equal(whole["state_dict"], resumed["state_dict"])


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_leaves_a_checkpoint_and_metrics(signum, tmp_path, monkeypatch):
    stop_after(monkeypatch, 2, signum)
    before = signal.getsignal(signum)
    assert train("max_steps=9", f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/run") == (
        128 + signum
    )
    assert signal.getsignal(signum) == before
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["interrupted"] is True
    assert metrics["steps"] == 2
    assert metrics["bits_per_dim"] is None
    assert checkpoint(tmp_path / "run")["global_step"] == 2


def test_second_signal_stops_at_once(tmp_path, monkeypatch):
    stop_after(monkeypatch, 2, signal.SIGINT, times=2)
    status = train("max_steps=9", f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/run")
    assert status == 128 + signal.SIGINT
    assert json.loads((tmp_path / "run/metrics.json").read_text())["interrupted"] is True
    assert not (tmp_path / "run/checkpoints/last.ckpt").exists()


def test_signal_before_training_leaves_nothing(tmp_path, monkeypatch):
    from rgflow.data import ImageDataModule

    def interrupted(self):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(ImageDataModule, "prepare_data", interrupted)
    assert train(f"hydra.run.dir={tmp_path}/run") == 128 + signal.SIGTERM
    assert not (tmp_path / "run").exists()
