"""Pictures in TensorBoard: samples at several temperatures, images rebuilt level by level."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from rgflow.bijectors.pixels import dequantize, to_image
from rgflow.plotting import tile
from rgflow.training.seeding import step_generator

if TYPE_CHECKING:
    from rgflow.flow import Flow


class Pictures(Callback):
    """Draws pictures with the averaged weights, at each validation.

    It acts after the first validation batch: there the averaged weights are in place whatever the
    order of callbacks, and there are images at hand.

    Args:
        count: Number of images in a grid.
        temperatures: Of the samples, one grid each.
        seed: Of the latents and the noise, which stay the same throughout.
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
        """Draw, on the first rank only."""
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
            generator = step_generator(pl_module.device, self.seed, 0, 3)
            samples = flow.sample(self.count, temperature=temperature, generator=generator)
            grid = tile(to_image(samples), columns)
            writer.add_image(f"samples/temperature_{temperature:g}", grid, step)
        originals = batch[: min(self.count, 8)]
        rows = [originals, *level_reconstructions(flow, originals, self.seed)]
        grid = tile(torch.cat([row.cpu() for row in rows]), len(originals))
        writer.add_image("reconstructions/original_then_levels_from_h", grid, step)


@torch.no_grad()
def level_reconstructions(flow: "Flow", images: Tensor, seed: int = 0) -> list[Tensor]:
    """Images rebuilt from the latents of level >= h, for h = 0 (all), 1, ...; the rest is zero.

    Args:
        flow: The flow; for one without a hierarchy the result is empty.
        images: uint8 ``(B, C, L, L)``.
        seed: Of the dequantization noise.

    Returns:
        One uint8 tensor ``(B, C, L, L)`` for each level.
    """
    try:
        hierarchy = flow.hierarchy
    except ValueError:  # Real NVP has none
        return []
    x = dequantize(images, step_generator(images.device, seed, 0, 4))
    z = flow.encode(x.to(next(flow.parameters()).dtype))
    level_of_site = hierarchy.level_of_site.to(z.device)  # (L, L)
    kept = (torch.where(level_of_site >= h, z, 0.0) for h in range(hierarchy.levels))
    return [to_image(flow.decode(latents)) for latents in kept]
