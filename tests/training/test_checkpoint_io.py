"""Checkpoints on the disk: written whole or not at all, whatever ends the run."""

import os
import pickle
import signal
import tempfile

import pytest
import torch
from tiny_run import TINY_ENERGY, checkpoint, train

from rgflow.training.checkpoint_io import WholeCheckpoints
from rgflow.training.energy import EnergyModule

CONTENT = {"config": {"flow": {"_target_": "rgflow.models.conv_flow"}}, "state_dict": {}}


def save(path, step):
    weights = {"flow.weight": torch.full((5000,), float(step))}
    WholeCheckpoints().save_checkpoint(CONTENT | {"state_dict": weights}, path)


def killed_at(name, work, monkeypatch):
    """Do the work in a child that is killed when it calls a function of the system."""
    child = os.fork()
    if child == 0:
        monkeypatch.setattr(os, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        work()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_kill_while_it_is_written_leaves_the_old_checkpoint(name, tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    save(path, 1)
    before = path.read_bytes()
    killed_at(name, lambda: save(path, 2), monkeypatch)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2  # with what is left of the second
    save(path, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]
    loaded = WholeCheckpoints().load_checkpoint(path)
    assert loaded["state_dict"]["flow.weight"].eq(3).all()


def test_a_run_needs_no_other_folder_and_removes_what_killed_runs_have_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    folder, more = tmp_path / "run/checkpoints", ["trainer.limit_val_batches=0"]
    monkeypatch.setattr(EnergyModule, "report", lambda *_: None)
    run = f"hydra.run.dir={tmp_path}/run"
    assert train(*TINY_ENERGY, *more, run, tiny=False) == 0
    left = folder / ".other.ckpt.0123456789abcdef.tmp"
    left.write_bytes(b"half")
    mine = folder / ".notes.tmp"
    mine.touch()
    more += ["max_steps=5", f"ckpt_path={folder}/last.ckpt"]
    assert train(*TINY_ENERGY, *more, run, tiny=False) == 0
    assert {p.name for p in folder.iterdir()} == {"last.ckpt", mine.name}
    assert checkpoint(tmp_path / "run")["global_step"] == 5


def test_a_changed_bit_is_refused_on_the_way_to_a_resumed_run(tmp_path):
    path = tmp_path / "last.ckpt"
    save(path, 1)
    sound = path.read_bytes()
    refused = 0
    for position in range(0, len(sound), 307):
        content = bytearray(sound)
        content[position] ^= 1
        path.write_bytes(content)
        try:
            loaded = WholeCheckpoints().load_checkpoint(path)
        except ValueError:
            refused += 1
        else:  # the bit is between two records
            assert loaded["state_dict"]["flow.weight"].eq(1).all(), position
    assert refused > 60


def test_a_plain_pickle_is_refused_without_a_warning(tmp_path, recwarn):
    path = tmp_path / "last.ckpt"
    path.write_bytes(pickle.dumps(CONTENT))
    with pytest.raises(ValueError, match="foreign file"):
        WholeCheckpoints().load_checkpoint(path)
    assert not recwarn
