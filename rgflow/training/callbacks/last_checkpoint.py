"""Checkpoints of the running state, and stopping on Ctrl-C or SIGTERM without losing it."""

import signal
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from rgflow.runtime.signals import Interrupted, StopRequest, take_signals


def optimizer_stepped(trainer: Trainer, batch_idx: int) -> bool:
    """Whether the batch that just ended closed a step, where gradients are accumulated.

    In Lightning the last batch of an epoch does so too, however few were accumulated.
    """
    is_last = trainer.is_last_batch or batch_idx + 1 >= trainer.num_training_batches
    return is_last or (batch_idx + 1) % trainer.accumulate_grad_batches == 0


class LastCheckpoint(Checkpoint):
    """Keeps ``last.ckpt``, and turns the first signal into an orderly end after the running step.

    It writes the state after every `every` steps, after the last step, when the training has
    diverged (skipped steps leave the weights of the last finite one), and when a signal asked for
    an end; then it raises `Interrupted`, in all processes after the same step. A second signal, or
    a signal while no training step can run, raises `Interrupted` at once. Validation follows the
    last step always, so that the best checkpoint can be the last.

    Lightning calls checkpoint callbacks last, hence the average of weights is up to date.

    Args:
        path: The file ``last.ckpt``.
        every: Steps between checkpoints, at least 1.

    Attributes:
        stop: Handles signals; it has to be given them by `handling_signals`.
    """

    def __init__(self, path: Path, every: int) -> None:
        self.path = path
        self.every = every
        self.stop = StopRequest()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on a signal waits for the end of a step."""
        take_signals(
            self.stop
        )  # again, for Lightning has put its own handler of SIGTERM in between
        self.stop.can_wait = True

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save if it is time to; stop if a signal came. Only between steps can a run resume."""
        if not optimizer_stepped(trainer, batch_idx):
            return
        is_asked = self.stop.signum is not None
        if trainer.world_size > 1:  # ranks must leave after the same step
            is_asked = trainer.strategy.reduce_boolean_decision(is_asked, all=False)
        is_last = trainer.global_step >= trainer.max_steps > 0
        if is_last:
            trainer.val_check_batch = 1
        is_due = is_last or trainer.global_step % self.every == 0
        if is_asked or is_due or pl_module.has_diverged:
            trainer.save_checkpoint(self.path)
        if is_asked:
            self.stop.can_wait = False
            self.stop.signum = self.stop.signum or signal.SIGTERM
            raise Interrupted(self.stop.signum)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Afterwards there is nothing to lose: a signal ends the run at once."""
        self.stop.can_wait = False
        if self.stop.signum is not None:  # it came in the validation after the last step
            raise Interrupted(self.stop.signum)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Others would wait forever for a process that stops at once, or that cannot write."""
        launcher = trainer.strategy.launcher
        is_orderly = self.stop.signum is not None and not self.stop.can_wait
        is_alone = isinstance(exception, Interrupted) and not is_orderly
        if (is_alone or isinstance(exception, OSError)) and launcher is not None:
            launcher.kill(signal.SIGKILL)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals from Lightning again."""
        take_signals(self.stop)

    on_validation_start = on_test_start
