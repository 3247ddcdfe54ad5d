"""One bar on the terminal for the whole training."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from tqdm.contrib.logging import logging_redirect_tqdm

from rgflow.runtime.progress import bar
from rgflow.training.callbacks.last_checkpoint import optimizer_stepped


class StepBar(ProgressBar):
    """Counts the steps of a training, with the time that is left, below the lines of the log."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin at the step from which a run goes on."""
        self._lines = logging_redirect_tqdm()
        self._lines.__enter__()
        self._bar = bar(desc="step", total=trainer.max_steps, initial=trainer.global_step)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count a step."""
        if optimizer_stepped(trainer, batch_idx):
            self._bar.update()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say why no step is made."""
        self._describe("validating, step")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Steps go on."""
        self._describe("step")

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the bar as it is at the end of the training, and after an exception."""
        if hasattr(self, "_bar"):
            self._bar.close()
            self._lines.__exit__(None, None, None)
            del self._bar, self._lines

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """The same after an interruption."""
        self.teardown(trainer, pl_module, "fit")

    def _describe(self, what: str) -> None:
        if hasattr(self, "_bar"):
            self._bar.set_description_str(what)
