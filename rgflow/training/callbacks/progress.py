"""Speed, curves, and plain lines."""

import logging
import os
import time
from collections.abc import Iterable, Mapping
from textwrap import indent
from typing import TYPE_CHECKING, Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from rgflow.runtime.config import flat
from rgflow.runtime.side_files import until_it_fails
from rgflow.runtime.sweep import HEADLINES
from rgflow.training.callbacks.last_checkpoint import optimizer_stepped

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)


class Throughput(Callback):
    """Measures samples per second in training, without validation and without the first step.

    The first step is left out since it compiles, allocates and warms caches. Logs
    ``train/samples_per_second`` over the steps since the last log.
    """

    def __init__(self) -> None:
        self._clock: float | None = None
        self._window = [0.0, 0]
        self._total = [0.0, 0]

    @property
    def samples_per_second(self) -> float | None:
        """Those of all processes over the whole run so far; None before the second step."""
        seconds, images = self._total
        return images / seconds if seconds else None

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Add a step, and log now and then."""
        now = time.perf_counter()
        if self._clock is not None:
            for counter in (self._window, self._total):
                counter[0] += now - self._clock
                counter[1] += len(batch) * trainer.world_size
        self._clock = now
        if self._window[0] and trainer.global_step % trainer.log_every_n_steps == 0:
            speed = self._window[1] / self._window[0]
            pl_module.log("train/samples_per_second", speed, rank_zero_only=True)
            self._window = [0.0, 0]

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock; the next step starts it."""
        self._clock = None


PICTURES = "validation_pictures"
"""First part of the names of pictures."""
FINAL = "validation_final"
"""First part of the names of final numbers."""


class Curves(TensorBoardLogger):
    """TensorBoard's files without ``hparams.yaml``, as ``.hydra`` has all settings.

    All names begin with ``test``, ``train``, ``validation`` or what comes behind these in the
    alphabet, so that TensorBoard shows the losses first. A point stands at the number of steps
    that have been made, as a line of the log does. If the disk takes no more of them, a warning
    says so and the run goes on without.
    """

    _trainer: Trainer | None = None

    def follow(self, trainer: Trainer) -> None:
        """Take the numbers of steps from a trainer."""
        self._trainer = trainer

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log all but Lightning's own count of epochs, which steps tell better.

        Args:
            metrics: Numbers by name.
            step: The step as Lightning counts it, from 0; that of the trainer counts, from 1.
        """
        made = step if self._trainer is None else self._trainer.global_step
        super().log_metrics({k: v for k, v in metrics.items() if k != "epoch"}, made)

    @property
    @rank_zero_experiment
    def experiment(self) -> "SummaryWriter":
        """What writes curves and pictures."""
        is_new = self._experiment is None
        writer = super().experiment
        if is_new:
            # written in a thread of TensorBoard, from which an error comes as a traceback
            events = writer.file_writer.event_writer._general_file_writer
            events.write = until_it_fails(events.write, os.fsdecode(events.filename))
        return writer

    @rank_zero_only
    def save(self) -> None:
        """Write what is still in memory."""
        self.experiment.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is still in memory, where Lightning ends a training or a test.

        The file stays open: a test and the final numbers go into it as well.
        """
        if self._experiment is not None:
            self.save()

    @rank_zero_only
    def close(self) -> None:
        """Write what is still in memory and close the file, at the end of the run."""
        if self._experiment is not None:
            self._experiment.close()

    @rank_zero_only
    def describe(self, config: Mapping[str, Any]) -> None:
        """Show the resolved configuration as text."""
        from omegaconf import OmegaConf

        text = OmegaConf.to_yaml(OmegaConf.create(dict(config)))
        self.experiment.add_text("configuration", indent(text, "    "))  # as Markdown shows code

    @rank_zero_only
    def conclude(
        self,
        config: Mapping[str, Any],
        scores: Mapping[str, Any],
        curves: Iterable[str],
    ) -> None:
        """Show the final numbers beside the settings, where runs are compared.

        Args:
            config: The resolved configuration.
            scores: Final numbers by name, of which the `HEADLINES` are shown.
            curves: What has been drawn already; of these the last point counts.
        """
        from torch.utils.tensorboard.summary import hparams

        kinds = int | float | str | bool
        settings = {
            name: value if isinstance(value, kinds) else str(value)
            for name, value in flat(config).items()
            if not name.endswith("._convert_")
        }
        drawn = [name for name in curves if name.startswith(("test/", "validation/"))]
        final = {
            f"{FINAL}/{name}": float(scores[name])
            for name in HEADLINES
            if scores.get(name) is not None and f"test/{name}" not in drawn
        }
        self.log_metrics(final)
        for part in hparams(settings, dict.fromkeys((*drawn, *final), 0.0)):
            self.experiment._get_file_writer().add_summary(part)
        self.save()


class LogLines(Callback):
    """Logs plain lines: one every so many steps of training, and one for each evaluation.

    Args:
        every: Steps between lines.
    """

    def __init__(self, every: int) -> None:
        self.every = max(1, every)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """One line every so many steps."""
        step = trainer.global_step
        if optimizer_stepped(trainer, batch_idx) and (step % self.every == 0 or step == 1):
            self._line(trainer, f"step {step}/{trainer.max_steps}", "train/")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One line for each validation."""
        self._line(trainer, f"step {trainer.global_step}", "validation/")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One line for the test."""
        self._line(trainer, "end", "test/")

    def _line(self, trainer: Trainer, start: str, prefix: str) -> None:
        metrics = {
            k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith(prefix)
        }
        parts = [f"{name.removeprefix(prefix)} {value:.4g}" for name, value in metrics.items()]
        if trainer.is_global_zero and parts:
            log.info("%s: %s %s", start, prefix.rstrip("/"), ", ".join(parts))
