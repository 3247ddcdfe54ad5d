"""The folder of a training run and its metrics.json."""

import json
import logging
import math
import resource
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from rgflow.files import write_atomically
from rgflow.training.reporting import Throughput
from rgflow.training.stopwatch import Stopwatch

log = logging.getLogger(__name__)

# What Hydra itself has put there before a run starts; the log may exist but is still empty
_BY_HYDRA = {".hydra", ".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml"}


class RunDirectory(Callback):
    """Everything that a run writes is below one folder; checkpoints carry the run's configuration.

    Args:
        path: The folder.
        config: The resolved configuration, plain containers.

    Attributes:
        training_begun: Whether the first step is about to run or has run.
        stopwatch: Runs from now on.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.config = config
        self.training_begun = False
        self._is_fresh = _is_fresh(path)
        self.stopwatch = Stopwatch()

    @property
    def last(self) -> Path:
        """The checkpoint of the latest state, from which a run resumes."""
        return self.path / "checkpoints" / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the run is."""
        self.training_begun = True
        if trainer.is_global_zero:
            log.info("run directory: %s", self.path)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the configuration into the checkpoint."""
        checkpoint["config"] = self.config

    def write_metrics(self, trainer: Trainer, module: LightningModule, **numbers: Any) -> None:
        """Write ``metrics.json``, on the first rank.

        Args:
            trainer: The trainer that has run.
            module: What it trained.
            numbers: Results, beside what is known here: steps, times, parameters, seed, memory,
                version. One that is not finite becomes null, since JSON has no such number.
        """
        if not trainer.is_global_zero:
            return
        meter = next(c for c in trainer.callbacks if isinstance(c, Throughput))
        metrics = numbers | {
            "samples_per_second": meter.samples_per_second,
            "steps": trainer.global_step,
            **{name: round(value, 3) for name, value in self.stopwatch.state_dict().items()},
            "parameters": sum(p.numel() for p in module.parameters() if p.requires_grad),
            "seed": self.config["seed"],
            "nonfinite_steps": module.nonfinite_steps,
            "peak_memory_bytes": peak_memory_bytes(trainer.strategy.root_device),
            "torch": torch.__version__,
        }
        metrics = {name: None if _is_no_number(n) else n for name, n in metrics.items()}
        text = json.dumps(metrics, indent=2) + "\n"
        write_atomically(self.path / "metrics.json", lambda file: file.write(text.encode()))
        log.info("run directory: %s", self.path)

    def remove_if_fresh(self) -> None:
        """Remove the folder if this run has made it, and its parents if they are empty then."""
        if not self._is_fresh:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        for parent in list(self.path.parents)[:2]:
            if parent == Path.cwd() or not parent.is_dir() or any(parent.iterdir()):
                return
            parent.rmdir()


def peak_memory_bytes(device: torch.device) -> int:
    """Largest memory used so far: of the accelerator, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # what getrusage counts in
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _is_fresh(path: Path) -> bool:
    if not path.is_dir():
        return True
    found = {str(p.relative_to(path)): p for p in path.rglob("*")}
    others = {name: p for name, p in found.items() if name not in _BY_HYDRA}
    return all(name.endswith(".log") and p.stat().st_size == 0 for name, p in others.items())
