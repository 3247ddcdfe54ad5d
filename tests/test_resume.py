import json
import signal

import pytest
import torch
from tiny_run import assert_equal, checkpoint, stop_after, train

from rgflow.training.callbacks.progress import Throughput

STEPS_PER_EPOCH = 10  # 40 images in batches of 4


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


def test_a_signal_between_accumulated_batches_waits_for_the_step(tmp_path, monkeypatch):
    common = ["max_steps=6", "validation_every=2", "trainer.accumulate_grad_batches=2"]
    common += [f"data.root={tmp_path}"]
    original = Throughput.on_train_batch_end

    def hook(self, trainer, module, outputs, batch, batch_idx):
        original(self, trainer, module, outputs, batch, batch_idx)
        if batch_idx == 4:  # the first of the two batches of step 3
            signal.raise_signal(signal.SIGTERM)

    assert train(*common, f"hydra.run.dir={tmp_path}/whole") == 0
    with monkeypatch.context() as patch:
        patch.setattr(Throughput, "on_train_batch_end", hook)
        assert train(*common, f"hydra.run.dir={tmp_path}/first") == 128 + signal.SIGTERM
    first = checkpoint(tmp_path / "first")
    assert first["global_step"] == 3
    progress = first["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    assert progress["current"]["ready"] == 6
    last = tmp_path / "first/checkpoints/last.ckpt"
    assert train(*common, f"hydra.run.dir={tmp_path}/second", f"ckpt_path={last}") == 0
    whole, resumed = checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "second")
    for part in ("state_dict", "current_model_state", "optimizer_states"):
        assert_equal(whole[part], resumed[part], part)


def test_accumulated_steps_count_for_validation(tmp_path):
    common = ["max_steps=4", "validation_every=2", "trainer.accumulate_grad_batches=2"]
    assert train(*common, f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/run") == 0
    lines = (tmp_path / "run/train.log").read_text().splitlines()
    found = [line.split(" ", 1)[1].partition(":")[0] for line in lines if " step " in line]
    assert found == ["step 1/4", "step 2/4", "step 2", "step 3/4", "step 4/4", "step 4"]


@pytest.mark.parametrize(
    "change", ["training.lr=0.001", "training.betas=[0.8,0.9]", "training.weight_decay=0.5"]
)
def test_resuming_with_another_optimizer_is_refused(change, tmp_path, capfd):
    common = [f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/run"]
    assert train(*common, "max_steps=1") == 0
    last = tmp_path / "run/checkpoints/last.ckpt"
    capfd.readouterr()
    assert train(*common, "max_steps=2", f"ckpt_path={last}", change) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert change.partition("=")[0] in line
    assert "last.ckpt" in line


def test_resuming_logs_other_differences(tmp_path):
    common = [f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/run"]
    assert train(*common, "max_steps=1") == 0
    last = tmp_path / "run/checkpoints/last.ckpt"
    changes = ["flow.scale_bound=3.0", "data.batch_size=5"]
    assert train(*common, "max_steps=2", f"ckpt_path={last}", *changes) == 0
    log = (tmp_path / "run/train.log").read_text()
    assert "flow.scale_bound: 3.0 from now on, 2.0 in" in log
    assert "data.batch_size: 5 from now on, 4 in" in log
    assert "max_steps: 2 from now on, 1 in" in log
    assert log.count("from now on") == 3


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


@pytest.mark.parametrize("is_moved", [False, True])
def test_the_best_state_is_taken_along_to_another_folder(is_moved, tmp_path, monkeypatch):
    from rgflow.training import LikelihoodModule

    common = ["validation_every=2", f"data.root={tmp_path}"]
    assert train(*common, "max_steps=4", f"hydra.run.dir={tmp_path}/first") == 0
    folder = tmp_path / "first/checkpoints"
    wanted = torch.load(folder / "best.ckpt", weights_only=True)
    best = json.loads((tmp_path / "first/metrics.json").read_text())["validation_bits_per_dim"]
    if is_moved:
        folder = folder.rename(tmp_path / "kept")
    original = LikelihoodModule._bits
    monkeypatch.setattr(LikelihoodModule, "_bits", lambda *args: original(*args) + 1)  # worse
    resumed = f"ckpt_path={folder}/last.ckpt"
    assert train(*common, "max_steps=6", f"hydra.run.dir={tmp_path}/second", resumed) == 0
    metrics = json.loads((tmp_path / "second/metrics.json").read_text())
    assert metrics["validation_bits_per_dim"] == best
    assert_equal(checkpoint(tmp_path / "second", "best")["state_dict"], wanted["state_dict"])


def test_a_lost_best_checkpoint_is_logged(tmp_path):
    common = ["validation_every=2", f"data.root={tmp_path}", f"hydra.run.dir={tmp_path}/run"]
    assert train(*common, "max_steps=3") == 0
    last = tmp_path / "run/checkpoints/last.ckpt"
    last.with_name("best.ckpt").unlink()
    assert train(*common, "max_steps=5", f"ckpt_path={last}") == 0
    assert "best.ckpt: it is forgotten" in (tmp_path / "run/train.log").read_text()
    assert checkpoint(tmp_path / "run", "best")["global_step"] in (4, 5)


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
    assert metrics["status"] == "interrupted"
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
