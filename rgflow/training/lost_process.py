"""One process of a run has ended: the others end too, and the first one says why."""

import os
import signal
import subprocess
import threading
import time

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.distributed import DistError

_PATIENCE = 1.0
"""Seconds in which the system tells that a process has ended whose connections are gone."""
_GRACE = 30.0
"""Seconds in which the first process should notice by itself that another one has ended."""


class ProcessWatch(Callback):
    """Ends a run one of whose processes has ended, in place of Lightning's own thread for that.

    Lightning kills the first process within five seconds, without a word. Mostly that process
    notices by itself, as it loses the connection: `describe_lost_process` says then what
    happened. Only if it waits for the lost one in vain is it ended from here.
    """

    def __init__(self) -> None:
        self._needs_others = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Watch from now on the processes that this one has started."""
        self._needs_others = True
        launcher = trainer.strategy.launcher
        started = getattr(launcher, "procs", [])
        if started and stage == "fit":
            launcher.procs = list(started)
            started.clear()  # Lightning's thread looks at this list, and ends when it is empty
            threading.Thread(target=self._watch, args=(launcher.procs,), daemon=True).start()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Until the next stage begins, this process needs no other one."""
        self._needs_others = False

    def _watch(self, processes: list[subprocess.Popen]) -> None:
        while not (lost := _describe_end(processes)):
            if all(process.returncode == 0 for process in processes):
                return
            time.sleep(_PATIENCE)
        time.sleep(_GRACE)
        if self._needs_others:
            os.write(2, f"error: {lost}\n".encode())
            for process in processes:
                process.kill()
            os._exit(1)


def describe_lost_process(error: RuntimeError, trainer: Trainer) -> str | None:
    """Says which process of a run has ended, if that is what an error comes from; else None.

    Args:
        error: What this process met.
        trainer: The trainer of the run; it knows the processes that this one has started.
    """
    if trainer.world_size == 1 or not (isinstance(error, DistError) or "gloo" in str(error)):
        return None
    time.sleep(_PATIENCE)
    lost = _describe_end(getattr(trainer.strategy.launcher, "procs", []))
    return lost or "the connection to another process of this run is lost"


def _describe_end(processes: list[subprocess.Popen]) -> str | None:
    """The first of the other processes that has failed; None if none has."""
    for rank, process in enumerate(processes, 1):
        status = process.poll()
        if status:
            how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
            return f"process {rank} of 0 to {len(processes)} has ended {how}"
    return None
