"""The folder of a training run: its configuration in checkpoints, and its metrics.json."""

import errno
import logging
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from rgflow.checkpoint import describe_intact
from rgflow.runtime.command_line import DivergedError, StoppedError
from rgflow.runtime.files import remove_abandoned
from rgflow.runtime.json_text import write_json
from rgflow.runtime.overrides import as_typed
from rgflow.runtime.run_folder import RunFolder
from rgflow.runtime.signals import Interrupted
from rgflow.runtime.sweep import HEADLINES
from rgflow.training.callbacks.best import BestCheckpoint
from rgflow.training.callbacks.loss_curve import draw_loss_curve
from rgflow.training.callbacks.progress import Curves, Throughput
from rgflow.training.callbacks.stopwatch import Stopwatch
from rgflow.training.lost_process import describe_lost_process

log = logging.getLogger(__name__)

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.ESTALE)
"""Errors of a full, limited or broken disk, which no run can do anything about."""


class RunDirectory(Callback):
    """Everything that a run writes is below one folder; checkpoints carry the run's configuration.

    Args:
        folder: The folder, which has begun its work once training has.
        config: The resolved configuration, in plain containers.

    Attributes:
        stopwatch: Measures the run's times from now on.
    """

    def __init__(self, folder: RunFolder, config: dict[str, Any]) -> None:
        self.path = folder.path
        self.config = config
        self._folder = folder
        self.stopwatch = Stopwatch()

    @property
    def last(self) -> Path:
        """The checkpoint of the latest state, from which a run resumes."""
        return self.path / "checkpoints" / "last.ckpt"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on the folder stays; the log says where it is.

        What a killed session has left half-written is removed.
        """
        self._folder.begun = True
        if trainer.is_global_zero:
            for folder in (self.path, self.last.parent):
                remove_abandoned(folder)
            log.info("run directory: %s", self.path)
            if self.config["trainer"].get("precision") == "auto":
                log.info("precision: %s", trainer.precision)
        if isinstance(trainer.logger, Curves):
            trainer.logger.follow(trainer)
            trainer.logger.describe(self.config)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Put the configuration into the checkpoint."""
        checkpoint["config"] = self.config

    @contextmanager
    def metrics(self, trainer: Trainer, module: LightningModule) -> Iterator[None]:
        """Writes ``metrics.json`` at the end, however the run ends, if training has begun.

        It has the module's `scores`, and the monitored number of the best validation so far. Its
        ``status`` is ``finished``, ``interrupted``, ``diverged``, or ``failed`` for any other
        reason. A number that is not finite is null, since JSON has none. After an interruption
        the log says how to go on.

        Args:
            trainer: The trainer of the run.
            module: What it trains.

        Raises:
            StoppedError: If the disk takes no more, or another process of the run has ended. It
                names the checkpoint that is intact, as a `DivergedError` does then.
        """
        status = "failed"
        try:
            yield
            status = "finished"
        except Interrupted:
            status = "interrupted"
            raise
        except DivergedError as error:
            status = "diverged"
            raise DivergedError(f"{error}; {self._intact}") from error
        except OSError as error:
            if error.errno not in _DISK or not self._folder.begun:
                raise
            raise self._stopped(error) from error
        except RuntimeError as error:
            lost = describe_lost_process(error, trainer)
            if lost is None or not self._folder.begun:
                raise
            raise StoppedError(f"{lost}; {self._intact}") from error
        finally:
            if self._folder.begun and trainer.is_global_zero:
                ending = {"status": status, "interrupted": status == "interrupted"}
                try:
                    self._write(trainer, module, module.scores() | ending)
                except OSError as error:
                    if status == "finished":
                        raise self._stopped(error) from error
                    log.warning("metrics.json is not written: %s", error.strerror)
                if status == "interrupted" and self.last.is_file():
                    settings = {"ckpt_path": self.last, "hydra.run.dir": self.path}
                    words = " ".join(as_typed(name, path) for name, path in settings.items())
                    log.info("to go on: python -m rgflow.train %s", words)

    @property
    def _intact(self) -> str:
        return describe_intact(self.last, self.config["ckpt_path"])

    def _stopped(self, error: OSError) -> StoppedError:
        place = f": {error.filename}" if error.filename else ""
        return StoppedError(f"{error.strerror or error}{place}; {self._intact}")

    def _write(self, trainer: Trainer, module: LightningModule, numbers: dict[str, Any]) -> None:
        meter = next(c for c in trainer.callbacks if isinstance(c, Throughput))
        best = next(c for c in trainer.callbacks if isinstance(c, BestCheckpoint))
        metrics = numbers | {
            module.monitor.replace("/", "_"): best.score,
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
        if isinstance(trainer.logger, Curves) and numbers["status"] == "finished":
            curves = [module.monitor, *trainer.logged_metrics]
            trainer.logger.conclude(self.config, module.scores(), curves)
        trainer.logger.save()
        if isinstance(trainer.logger, Curves):
            trainer.logger.close()
        draw_loss_curve(self.path, module.monitor)
        log.info("run directory: %s", self.path)
        if numbers["status"] == "finished":
            log.info("result: %s", result_in_words(numbers))


def result_in_words(numbers: Mapping[str, Any]) -> str:
    """The final numbers of a run in a line, with their errors.

    >>> result_in_words({"kl_nats": 0.02413, "kl_nats_error": 0.0007, "ess": None, "steps": 9})
    'kl_nats 0.02413 ± 0.0007'
    """
    from rgflow.evaluation.summary import shown

    return ", ".join(
        f"{name} {shown(numbers[name], numbers[f'{name}_error'])}"
        if f"{name}_error" in numbers
        else f"{name} {numbers[name]:.4g}"
        for name in HEADLINES
        if numbers.get(name) is not None
    )


def peak_memory_bytes(device: torch.device) -> int:
    """The largest memory used so far, on the accelerator, or by this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # what getrusage counts in
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
