"""Maximum likelihood on images, reported in bits per dimension."""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor

from rgflow.analysis import latents_by_level, nearest_images
from rgflow.bijectors.pixels import bits_per_dim, dequantize, to_image
from rgflow.data.module import ImageDataModule
from rgflow.flow import Flow
from rgflow.objectives import (
    Batch,
    Likelihood,
    Objective,
    negative_log_likelihood,
)
from rgflow.runtime.seeds import generator_for
from rgflow.training.callbacks.image_pictures import Pictures
from rgflow.training.config_checks import check_objective
from rgflow.training.flow_module import FlowTraining


class LikelihoodModule(FlowTraining):
    r"""Trains a flow on images with dequantization noise, mostly by their likelihood.

    Logs ``train/bits_per_dim`` per step and ``validation/bits_per_dim`` and ``test/bits_per_dim``
    as means over all images of all ranks, with the same noise each time, and statistics of the
    latents of every level.

    Args:
        flow: The flow to train.
        objective: What is minimised; `Likelihood` if None.
        seed: Seed of dequantization noise and flips.
        compile: Whether to compile the flow's call.
        pictures: Number of images in the grids of samples and reconstructions.
        temperatures: Temperatures at which samples are shown; the last is that of
            ``samples.png``.
        settings: Fields of `OptimizerSettings`.

    Raises:
        ValueError: If a setting is out of its range, or the objective does not learn from images.

    Reference: RG-Flow, arXiv:2010.00029.
    """

    def __init__(
        self,
        flow: Flow,
        objective: Objective | None = None,
        *,
        seed: int = 0,
        compile: bool = False,
        pictures: int = 16,
        temperatures: Sequence[float] = (0.6, 0.8, 1.0),
        **settings: Any,
    ) -> None:
        super().__init__(flow, seed=seed, compile=compile, **settings)
        if pictures < 1 or not temperatures or not all(0 <= t < math.inf for t in temperatures):
            raise ValueError(
                f"training: got pictures {pictures} and temperatures {list(temperatures)}, "
                "expected at least one picture and finite temperatures >= 0"
            )
        self.objective = Likelihood() if objective is None else objective
        check_objective(self.objective, ["bits_per_dim"])
        if not self.objective.needs_states:
            raise ValueError(
                f"objective: got {type(self.objective).__name__} for images, expected one that "
                "learns from them, such as objective=likelihood"
            )
        self.monitor = f"validation/{self.objective.monitor}"
        self.pictures = pictures
        self.temperatures = list(temperatures)
        self._sums: Tensor | None = None
        self._scores: dict[str, float] = {}

    def configure_callbacks(self) -> list[Callback]:
        """Pictures in TensorBoard, and the average of weights."""
        pictures = Pictures(self.pictures, self.temperatures, self.seed)
        return [pictures, *super().configure_callbacks()]

    def training_loss(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """What the objective minimises on uint8 images ``(B, C, L, L)``, in nats per dimension."""
        drawn = Batch(len(batch), generator, partial(self._noisy, batch))
        return self.log_loss(self.objective.loss(self.flow, None, drawn))

    def on_validation_epoch_start(self) -> None:
        """Start the sums over images from zero."""
        self._sums = torch.zeros(2, dtype=torch.float64, device=self.device)

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        """Add a batch to the sums, and describe the latents of the first batch."""
        x = self._evaluate("validation", batch, batch_idx)
        if batch_idx == 0:
            with torch.autocast(self.device.type, enabled=False):
                self._log_latents(self.flow.encode(x))

    def test_step(self, batch: Tensor, batch_idx: int) -> None:
        """Add a batch to the sums."""
        self._evaluate("test", batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Log the mean over all images of all ranks."""
        self._finish("validation")

    def on_test_epoch_end(self) -> None:
        """Log the mean over all images of all ranks."""
        self._finish("test")

    @torch.no_grad()
    def sample_images(self, count: int, temperature: float) -> Tensor:
        """Seeded samples, uint8 ``(count, C, L, L)``."""
        generator = generator_for("samples", self.seed, device=self.device)
        return to_image(self.flow.sample(count, temperature=temperature, generator=generator))

    def report(self, directory: Path) -> None:
        """Write ``samples.png``: samples, and the nearest training images beside them."""
        from rgflow.plotting.grids import Panel, grid_figure
        from rgflow.plotting.images import save_figure

        images = self.sample_images(64, self.temperatures[-1])
        panels = [Panel(f"samples at temperature {self.temperatures[-1]:g}", images.cpu())]
        parts = self._training_images()
        if parts is not None:
            nearest, apart = nearest_images(images, parts)
            title = "nearest training images\n"
            title += f"(root mean squares of the differences: {apart.min():.1f} to "
            title += f"{apart.max():.1f} shades)"
            panels.append(Panel(title, nearest.cpu()))
        save_figure(grid_figure(panels), directory / "samples.png")

    def scores(self) -> dict[str, float | None]:
        """Bits per dimension of the test set, as far as known, and of the latest validation."""
        scores = self._scores
        return {
            "bits_per_dim": scores.get("test"),
            "validation_bits_per_dim": scores.get("validation"),
        }

    def _training_images(self) -> Iterable[Tensor] | None:
        """The training images in parts; None if a data module of users does not offer them."""
        data = self.trainer.datamodule
        if isinstance(data, ImageDataModule):
            return data.split("train").parts()
        if callable(getattr(data, "images", None)):
            return data.images("train").split(4096)
        return None

    def _noisy(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images mirrored at random if the data ask for it, with dequantization noise."""
        if getattr(self.trainer.datamodule, "horizontal_flip", False):
            turned = torch.rand(len(images), generator=generator, device=images.device) < 0.5
            images = torch.where(turned[:, None, None, None], images.flip(-1), images)
        return dequantize(images, generator)

    def _bits(self, nats: Tensor) -> Tensor:
        return bits_per_dim(-nats, self.flow.event_shape)

    def _evaluate(self, split: str, batch: Tensor, batch_idx: int) -> Tensor:
        key = (split, self.seed, self.global_rank, batch_idx)
        x = dequantize(batch, generator_for(*key, device=self.device))
        with torch.autocast(self.device.type, enabled=False):  # as it will be used
            nats = negative_log_likelihood(self.flow, x)
        self._sums = self._sums + torch.stack([nats.double().sum(), nats.new_tensor(len(nats))])
        return x

    def _finish(self, split: str) -> None:
        total, count = self.trainer.strategy.reduce(self._sums, reduce_op="sum")
        bits = self._bits(total / count)
        self._scores[split] = float(bits)
        self.log(f"{split}/bits_per_dim", bits.float(), prog_bar=True, rank_zero_only=False)
        if split == "validation" and self.objective.monitor != "bits_per_dim":
            score = self.objective.monitored({"bits_per_dim": float(bits)})
            self.log(self.monitor, score, prog_bar=True, rank_zero_only=False)

    def _log_latents(self, z: Tensor) -> None:
        for name, values in latents_by_level(self.flow, z).items():
            values = values.float()
            spread = values.std()
            kurtosis = ((values - values.mean()) / spread).pow(4).mean()
            self.log(f"validation_latents/{name}_std", spread)
            self.log(f"validation_latents/{name}_mean_abs", values.abs().mean())
            self.log(f"validation_latents/{name}_kurtosis", kurtosis)
