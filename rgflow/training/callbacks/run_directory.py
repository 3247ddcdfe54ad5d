"""The folder of a training run and its metrics.json."""

import logging
import resource
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from rgflow.runtime.json_text import write_json
from rgflow.runtime.run_folder import RunFolder
from rgflow.training.callbacks.progress import Throughput
from rgflow.training.callbacks.stopwatch import Stopwatch

log = logging.getLogger(__name__)


class RunDirectory(Callback):
    """Everything that a run writes is below one folder; checkpoints carry the run's configuration.

    Args:
        folder: The folder; it is to stay once training has begun.
        config: The resolved configuration, plain containers.

    Attributes:
        training_begun: Whether the first step is about to run or has run.
        stopwatch: Runs from now on.
    """

    def __init__(self, folder: RunFolder, config: dict[str, Any]) -> None:
        self.path = folder.path
        self.config = config
        self.training_begun = False
        self._folder = folder
        self.stopwatch = Stopwatch()

    @property
    def last(self) -> Path:
        """The checkpoint of the latest state, from which a run resumes."""
        return self.path / "checkpoints" / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where the run is."""
        self.training_begun = True
        self._folder.keep()
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
        write_json(self.path / "metrics.json", metrics)
        log.info("run directory: %s", self.path)


def peak_memory_bytes(device: torch.device) -> int:
    """Largest memory used so far: of the accelerator, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # what getrusage counts in
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
