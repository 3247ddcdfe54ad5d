"""A disk that takes no more: one line, and what was there before stays as it was."""

import errno
import logging
import os
import resource
import signal
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from tiny_run import TINY_ENERGY, checkpoint, train

from rgflow.runtime.side_files import LogFile
from rgflow.training.callbacks import run_directory
from rgflow.training.callbacks.last_checkpoint import LastCheckpoint
from rgflow.training.callbacks.progress import Curves
from rgflow.training.energy import EnergyModule


@contextmanager
def largest_file(size):
    """Inside, the system refuses to let a file grow beyond a size, as ``ulimit -f`` does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def errors(capfd):
    return capfd.readouterr().err.splitlines()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("trained") / "run"
    assert train(*TINY_ENERGY, f"hydra.run.dir={run}", tiny=False) == 0
    return run


def test_a_checkpoint_that_cannot_be_written_is_one_line_and_the_old_one_stays(trained, capfd):
    folder = trained / "checkpoints"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    more = ["max_steps=8", f"ckpt_path={folder}/last.ckpt", f"hydra.run.dir={trained}"]
    capfd.readouterr()
    with largest_file(30_000):
        assert train(*TINY_ENERGY, *more, tiny=False) == 1
    (line,) = errors(capfd)
    assert f"File too large: {folder}/last.ckpt;" in line
    assert f"{folder}/last.ckpt is intact and has the finite weights of step 4" in line
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def no_space(path):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    return fail


@pytest.mark.parametrize("name", ["observables.png", "metrics.json"])
def test_results_that_cannot_be_written_are_one_line(name, tmp_path, monkeypatch, capfd):
    if name == "metrics.json":
        monkeypatch.setattr(run_directory, "write_json", no_space(name))
        monkeypatch.setattr(EnergyModule, "report", lambda *_: None)
    else:
        monkeypatch.setattr(EnergyModule, "report", no_space(name))
    more = ["trainer.limit_val_batches=0", f"hydra.run.dir={tmp_path}/run"]
    assert train(*TINY_ENERGY, *more, tiny=False) == 1
    (line,) = errors(capfd)
    assert f"No space left on device: {name}; {tmp_path}/run/checkpoints/last.ckpt is" in line
    assert checkpoint(tmp_path / "run")["global_step"] == 4


def test_a_log_file_that_takes_no_more_ends_with_one_line(capfd):
    handler = LogFile("/dev/full", delay=True)
    for _ in range(3):
        handler.handle(logging.makeLogRecord({"msg": "step"}))
    handler.close()
    assert errors(capfd) == ["/dev/full ends here: No space left on device"]


def test_curves_that_take_no_more_end_with_one_line(tmp_path, caplog, capfd):
    curves = Curves(tmp_path, name="", version="")
    with largest_file(2_000):
        for step in range(100):
            curves.log_metrics({"train/loss": 1.0}, step)
        curves.experiment.add_text("long", "x" * 5_000)
        curves.finalize("success")
    (line,) = caplog.messages
    (file,) = tmp_path.iterdir()
    assert line == f"{file} ends here: File too large"
    assert errors(capfd) == []


@pytest.mark.parametrize(
    ("error", "is_alone"), [(OSError("full"), True), (RuntimeError("of all"), False)]
)
def test_other_processes_do_not_wait_for_one_that_cannot_write(error, is_alone, tmp_path):
    killed = []
    launcher = SimpleNamespace(kill=killed.append)
    trainer = SimpleNamespace(strategy=SimpleNamespace(launcher=launcher))
    LastCheckpoint(tmp_path, 1).on_exception(trainer, None, error)
    assert killed == [signal.SIGKILL] * is_alone
