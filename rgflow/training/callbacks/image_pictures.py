"""Pictures in TensorBoard: samples at several temperatures, images rebuilt level by level."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from rgflow.analysis.levels import level_reconstructions
from rgflow.bijectors.pixels import to_image
from rgflow.plotting.labelled_rows import enlarged_tile, labelled_rows
from rgflow.runtime.seeds import generator_for
from rgflow.training.callbacks.progress import PICTURES


class Pictures(Callback):
    """Draws pictures with the averaged weights, at each validation.

    It acts after the first validation batch, where the averaged weights are in place whatever the
    order of callbacks, and where there are images at hand.

    Args:
        count: Number of images in a grid.
        temperatures: Temperatures of the samples; each has a grid.
        seed: Seed of the latents and of the noise, which stay the same throughout.
    """

    def __init__(self, count: int, temperatures: Sequence[float], seed: int) -> None:
        self.count = count
        self.temperatures = list(temperatures)
        self.seed = seed

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw in the first process."""
        is_tensorboard = isinstance(trainer.logger, TensorBoardLogger)
        if (
            batch_idx
            or not trainer.is_global_zero
            or not is_tensorboard
            or trainer.sanity_checking
        ):
            return
        writer, step, flow = trainer.logger.experiment, trainer.global_step, pl_module.flow
        columns = max(1, round(self.count**0.5))
        for temperature in self.temperatures:
            generator = generator_for("samples", self.seed, device=pl_module.device)
            samples = flow.sample(self.count, temperature=temperature, generator=generator)
            grid = enlarged_tile(to_image(samples), columns)
            writer.add_image(f"{PICTURES}/samples_temperature_{temperature:g}", grid, step)
        originals = batch[: min(self.count, 8)]
        rebuilt = level_reconstructions(flow, originals, self.seed)
        labels = ["original", "all levels", *(f"levels from {h}" for h in range(1, len(rebuilt)))]
        picture = labelled_rows([originals, *rebuilt], labels[: 1 + len(rebuilt)])
        writer.add_image(f"{PICTURES}/original_then_levels_from_h", picture, step)
