"""A first process that waits in vain for another one is ended with a line."""

import os
import subprocess
import sys
import threading
from types import SimpleNamespace

from rgflow.training import lost_process


def test_a_process_that_waits_in_vain_is_ended_with_a_line(monkeypatch):
    said, ended = [], threading.Event()
    monkeypatch.setattr(lost_process, "_GRACE", 0)
    monkeypatch.setattr(os, "write", lambda file, text: said.append(text.decode()))
    monkeypatch.setattr(os, "_exit", lambda status: ended.set())
    lost = subprocess.Popen([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])
    lost.wait()
    other = subprocess.Popen(["sleep", "60"])
    launcher = SimpleNamespace(procs=[other, lost])
    trainer = SimpleNamespace(strategy=SimpleNamespace(launcher=launcher))
    of_lightning = launcher.procs
    watch = lost_process.ProcessWatch()
    watch.setup(trainer, None, "fit")
    assert not of_lightning
    assert ended.wait(10)
    assert other.wait(10) == -9
    assert said == ["error: process 2 of 0 to 2 has ended by SIGKILL\n"]


def test_errors_of_another_kind_are_no_lost_process():
    trainer = SimpleNamespace(world_size=2)
    assert lost_process.describe_lost_process(RuntimeError("shape"), trainer) is None
