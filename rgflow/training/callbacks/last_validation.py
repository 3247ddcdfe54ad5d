"""The validation after the last step, for a run that was ended before it or in its report."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint


class LastValidation(Checkpoint):
    """Validates the state of a resumed run that has made all its steps, which takes no step more.

    Lightning passes over the training of such a run, with all that callbacks do at its beginning
    and its end. With room for one step it goes in; the validation takes the place of that step.
    It is a checkpoint callback only because Lightning calls these last.

    Args:
        step: The step from which the run goes on.
    """

    def __init__(self, step: int) -> None:
        self.step = step
        self._is_needed = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make room."""
        self._is_needed = self.step >= trainer.max_steps > 0
        if self._is_needed:
            trainer.fit_loop.epoch_loop.max_steps += 1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate as after a step, and take the room away."""
        if not self._is_needed:
            return
        if trainer.enable_validation:
            loop = trainer.fit_loop.epoch_loop.val_loop
            loop.restarting = False
            trainer.validating = True
            loop.run()
            trainer.training = True
        trainer.fit_loop.epoch_loop.max_steps -= 1
