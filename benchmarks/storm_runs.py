"""Trainings that are started, killed, damaged and resumed: the tools of `storm`.

A run is a process forked from this one, which has the imports done; it is killed as any other.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

_COMMON = """
    flow.top_couplings=2 flow.top_hidden=8 training.warmup_steps=2 log_every=10
"""
IMAGES = f"""{_COMMON}
    flow.side=8 flow.couplings=[2] flow.hidden=[8] data.side=8 data.train_size=40
    data.validation_size=12 data.test_size=12 data.batch_size=4 data.eval_batch_size=8
    training.pictures=4 max_steps=60 validation_every=4
""".split()
"""A training on images of ellipses, with 15 validations, which writes both checkpoints at each."""
ENERGY = f"""{_COMMON}
    experiment=energy flow.side=4 flow.couplings=2 flow.hidden=8 training.batch_size=16
    training.eval_samples=64 training.report_samples=64 training.reference_states=0
    max_steps=40 validation_every=10
""".split()
"""A training on an energy of one's own."""
STATE = ("state_dict", "current_model_state", "averaging_state", "optimizer_states")


class Ending(NamedTuple):
    """How a run has ended.

    Attributes:
        status: Exit status; minus the signal that ended it.
        out: Standard output.
        err: Standard error, without warnings of libraries.
    """

    status: int
    out: str
    err: list[str]

    @property
    def said(self) -> str:
        """All that it has said."""
        return self.out + "\n".join(self.err)

    @property
    def is_one_line(self) -> bool:
        """Whether it is a refusal that one line explains."""
        return self.status == 1 and len(self.err) == 1 and self.err[0].startswith("error: ")


class Run:
    """A training that runs now.

    Args:
        folder: Its run directory.
        settings: Overrides of the command line.
        environment: Variables that differ from those of this process.
        before: Called in the process of the run before it begins.
    """

    def __init__(
        self,
        folder: Path,
        *settings: str,
        environment: dict[str, str] | None = None,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder = folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._said = [folder.with_name(f"{folder.name}.{name}") for name in ("out", "err")]
        for path in self._said:
            path.write_bytes(b"")
        self.pid = os.fork()
        if self.pid == 0:
            self._become(settings, environment or {}, before)

    def _become(
        self, settings: tuple[str, ...], environment: dict[str, str], before: Callable[[], None]
    ) -> None:
        status = 1
        try:
            for number, path in enumerate(self._said, 1):
                os.dup2(os.open(path, os.O_WRONLY), number)
            sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1) for n in (1, 2))
            os.environ.update(environment)
            tempfile.tempdir = None  # TMPDIR may be another one
            sys.argv = ["train", *settings, f"hydra.run.dir={self.folder}"]
            from rgflow.train import main

            before()
            main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    @property
    def is_over(self) -> bool:
        """Whether the process has ended; it stays for `wait`."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition or the end of the run; a checkpoint takes longer than a look."""
        while not condition() and not self.is_over:
            time.sleep(1e-4)

    def kill(self, signum: int = signal.SIGKILL) -> None:
        """Send a signal; no effect on a run that is over."""
        os.kill(self.pid, signum)

    def wait(self) -> Ending:
        """Wait for the end."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        out, err = (path.read_text(errors="replace") for path in self._said)
        lines = [line for line in err.splitlines() if "Warning" not in line and line.strip()]
        return Ending(status, out, lines)

    @property
    def is_writing(self) -> bool:
        """Whether a checkpoint is being written at this moment."""
        try:
            return any(e.name.endswith(".tmp") for e in os.scandir(self.folder / "checkpoints"))
        except FileNotFoundError:
            return False


def last(folder: Path) -> Path:
    """The checkpoint of a run's latest state."""
    return folder / "checkpoints/last.ckpt"


def load(path: Path) -> dict[str, Any] | None:
    """A checkpoint as plain torch reads it; None if it is not whole or not there."""
    try:
        return torch.load(path, weights_only=True)
    except Exception:
        return None


def same(a: Any, b: Any) -> bool:
    """Whether nested containers are equal to the last bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def ends_as(reference: dict[str, Any], folder: Path) -> bool:
    """Whether a run's final state is that of the reference, to the last bit."""
    content = load(last(folder))
    return content is not None and all(same(content[part], reference[part]) for part in STATE)


def resumed(reference: dict[str, Any], folder: Path, *settings: str, **how: Any) -> bool:
    """Whether a stopped run that is resumed ends as one that was never stopped.

    A run that was stopped before its first checkpoint has to begin anew.
    """
    go_on = []
    if last(folder).exists():
        if ends_as(reference, folder):
            return True
        go_on = [f"ckpt_path={last(folder)}"]
    again = folder.with_name(f"{folder.name}-again")
    ending = Run(again, *settings, *go_on, **how).wait()
    return ending.status == 0 and ends_as(reference, again)


def run_command(folder: Path, *settings: str) -> Ending:
    """The command itself, in a process that starts from nothing, as several together need it."""
    command = [sys.executable, "-m", "rgflow.train", *settings, f"hydra.run.dir={folder}"]
    found = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        command,
        env=os.environ | {"PYTHONPATH": found},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [text for text in done.stderr.splitlines() if "warn" not in text.lower()]
    return Ending(done.returncode, done.stdout, [t for t in lines if "deprecated" not in t])
