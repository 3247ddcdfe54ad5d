"""Signals before training begins: one line, the signal's status, and nothing stays."""

import signal
import subprocess
import sys

import pytest

# the signal comes where training first imports a module
START = """
import runpy, signal, sys
module, signum, *sys.argv[1:] = sys.argv[1:]

class Alarm:
    def find_spec(self, name, path=None, target=None):
        if name == module:
            assert "torch" not in sys.modules, "takes a second, in which signals are not heeded"
            signal.raise_signal(int(signum))

sys.meta_path.insert(0, Alarm())
runpy.run_module("rgflow.train", run_name="__main__")
"""


def interrupted(module, signum, run):
    command = [sys.executable, "-c", START, module, str(int(signum)), f"hydra.run.dir={run}"]
    return subprocess.run(command, cwd=run.parent, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "signum"),
    [("hydra", signal.SIGINT), ("lightning", signal.SIGINT), ("lightning", signal.SIGTERM)],
    ids=["before hydra", "with a folder", "terminated"],
)
def test_signal_before_training_is_one_line_and_leaves_nothing(module, signum, tmp_path):
    result = interrupted(module, signum, tmp_path / "run")
    assert result.returncode == 128 + signum
    assert result.stderr == f"error: interrupted by {signal.Signals(signum).name}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_held_something_stays(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "notes.txt").write_text("{}")
    assert interrupted("lightning", signal.SIGINT, run).returncode == 128 + signal.SIGINT
    assert (run / "notes.txt").read_text() == "{}"
