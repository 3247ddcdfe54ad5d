"""A training that diverges leaves a checkpoint with finite weights, from which it can go on."""

import re
import signal

import pytest
import torch
from tiny_run import TINY_ENERGY, assert_equal, checkpoint, metrics, stop_after, train

from rgflow.energies import Ising
from rgflow.training.energy import EnergyModule

COMMON = [*TINY_ENERGY, "max_steps=9", "training.max_nonfinite=2", "trainer.limit_val_batches=0"]
GOOD_STEPS = 3


def run(directory, *overrides):
    return train(*COMMON, f"hydra.run.dir={directory}", *overrides, tiny=False)


@pytest.mark.parametrize("accumulated", [1, 2])
def test_the_state_of_the_last_finite_step_is_kept_and_named(
    accumulated, tmp_path, monkeypatch, capfd
):
    original = EnergyModule.training_loss
    monkeypatch.setattr(EnergyModule, "report", lambda self, directory: None)

    def faulty(self, batch, generator):
        loss = original(self, batch, generator)
        return loss * torch.nan if self.global_step >= GOOD_STEPS else loss

    more = [f"trainer.accumulate_grad_batches={accumulated}"]
    with monkeypatch.context() as patch:
        patch.setattr(EnergyModule, "training_loss", faulty)
        assert run(tmp_path / "lost", *more) == 1
    last = tmp_path / "lost/checkpoints/last.ckpt"
    error = capfd.readouterr().err
    assert "training diverged: got 2 steps" in error
    assert str(last) in error
    lost = metrics(tmp_path / "lost")
    assert (lost["status"], lost["steps"], lost["nonfinite_steps"]) == ("diverged", 5, 2)
    with monkeypatch.context() as patch:
        stop_after(patch, GOOD_STEPS)
        assert run(tmp_path / "good", *more) == 128 + signal.SIGTERM
    kept, good = checkpoint(tmp_path / "lost"), checkpoint(tmp_path / "good")
    assert_equal(kept["current_model_state"], good["current_model_state"])
    moments = [content["optimizer_states"][0]["state"] for content in (kept, good)]
    assert_equal(*moments)
    assert all(w.isfinite().all() for w in kept["state_dict"].values())
    assert run(tmp_path / "on", *more, f"ckpt_path={last}") == 0
    on = metrics(tmp_path / "on")
    assert (on["status"], on["steps"], on["nonfinite_steps"]) == ("finished", 9, 2)


def test_a_rate_of_learning_far_too_large_ends_in_a_message_and_finite_weights(tmp_path, capfd):
    wild = ["training.lr=1e12", "training.warmup_steps=0", "training.gradient_clip=null"]
    assert run(tmp_path / "run", *wild) == 1
    assert "training diverged" in capfd.readouterr().err
    content = checkpoint(tmp_path / "run")
    for part in ("state_dict", "current_model_state"):
        assert all(w.isfinite().all() for w in content[part].values())


def test_weights_that_are_not_finite_are_never_saved_and_the_message_says_what_is_left(
    tmp_path, monkeypatch, capfd
):
    original = EnergyModule.on_before_zero_grad
    more = ["validation_every=2", "training.ema_decay=null"]

    def overflow(self, *args):
        original(self, *args)
        if self.global_step == GOOD_STEPS:
            with torch.no_grad():
                next(self.parameters()).fill_(torch.inf)

    monkeypatch.setattr(EnergyModule, "on_before_zero_grad", overflow)
    assert run(tmp_path / "run", *more) == 1
    last = tmp_path / "run/checkpoints/last.ckpt"
    (line,) = (text for text in capfd.readouterr().err.splitlines() if "error" in text)
    assert "numbers that are not finite" in line
    assert f"{last} is intact and has the finite weights of step 2" in line
    content = checkpoint(tmp_path / "run")
    assert content["global_step"] == 2
    assert all(w.isfinite().all() for w in content["state_dict"].values())
    assert run(tmp_path / "fresh", *more, "validation_every=1000") == 1
    assert "there is no checkpoint to go on from" in capfd.readouterr().err
    assert not list((tmp_path / "fresh").rglob("*.ckpt"))


def test_an_energy_that_is_infinite_for_some_fields_is_told_from_a_rate_too_large(
    tmp_path, monkeypatch, capfd
):
    original = Ising.energy

    def wall(self, x):  # a forbidden region that every batch of a training, of 16, enters
        is_inside = (x.flatten(1).amax(1) > 3) & (len(x) == 16)
        return torch.where(is_inside, torch.inf, original(self, x))

    monkeypatch.setattr(Ising, "energy", wall)
    assert run(tmp_path / "run", "training.reference_states=0") == 1
    said = capfd.readouterr()
    assert "training diverged" in said.err
    assert "training.lr" not in said.err + said.out
    assert metrics(tmp_path / "run")["status"] == "diverged"
    for text in (said.err, said.out.partition("skipped; ")[2].partition("\n")[0]):
        faults, fields = re.search(r"not finite for (\d+) of (\d+) finite fields", text).groups()
        assert 0 < int(faults) < int(fields) == 32
