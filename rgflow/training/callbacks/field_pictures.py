"""Pictures in TensorBoard of training on an energy."""

import logging
from collections.abc import Callable

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from rgflow.energies import Energy
from rgflow.evaluation.figure import evaluation_figure
from rgflow.evaluation.weighted_samples import draw_weighted
from rgflow.montecarlo.reference import Reference
from rgflow.training.callbacks.progress import PICTURES
from rgflow.training.callbacks.stopwatch import reporting

log = logging.getLogger(__name__)

SAMPLES = 2000


class FieldPictures(Callback):
    """Draws configurations and histograms of the flow beside Monte Carlo, at each validation.

    It acts after the first validation batch, where the averaged weights are in place whatever the
    order of callbacks. If a sample has a weight that is not finite, there is a warning in place of
    the picture, and training goes on.

    Args:
        energy: The target.
        reference: Gives states of the target to compare with, or None. The first call can take
            long.
        seed: Seed of the samples, which stay the same throughout.
    """

    def __init__(
        self, energy: Energy, reference: Callable[[], Reference | None], seed: int
    ) -> None:
        self.energy = energy
        self.reference = reference
        self.seed = seed

    @torch.no_grad()
    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: None,
        batch: torch.Tensor,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw in the first process."""
        logger = trainer.logger
        if batch_idx or not trainer.is_global_zero or not isinstance(logger, TensorBoardLogger):
            return
        with reporting(trainer):  # drawn at the first call, which can take long
            reference = self.reference()
        try:
            with torch.autocast(pl_module.device.type, enabled=False):
                weighted = draw_weighted(pl_module.flow, self.energy, SAMPLES, seed=self.seed)
            figure = evaluation_figure(self.energy, weighted, reference)
        except ValueError as error:
            log.warning("step %d: no picture of the flow: %s", trainer.global_step, error)
            return
        logger.experiment.add_figure(f"{PICTURES}/observables", figure, trainer.global_step)
