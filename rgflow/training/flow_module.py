"""What every training of a flow shares: optimizer, clipping, skipped steps, average of weights."""

import inspect
import logging
import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule
from torch import Tensor

from rgflow.checkpoint import first_nonfinite
from rgflow.flow import Flow
from rgflow.objectives import Loss
from rgflow.runtime.command_line import DivergedError
from rgflow.runtime.seeds import generator_for
from rgflow.training.callbacks.averaging import ExponentialAverage
from rgflow.training.optimizer import adamw, learning_rate_factor, optimizer_settings

log = logging.getLogger(__name__)


class FlowTraining(LightningModule, ABC):
    """Trains a flow; a subclass says on what, and what is reported.

    A step whose loss or gradient is not finite leaves weights and moments as they are, on all
    ranks alike. Such steps are counted in ``nonfinite_steps``; after too many in a row
    `DivergedError` ends the training, between two steps, after callbacks have saved its state.

    Args:
        flow: The flow to train; its weights are saved with the prefix ``flow.``.
        seed: Seed of the random numbers that are drawn in steps.
        compile: Whether to compile the flow's call, in place, which keeps the names of its
            weights.
        settings: Fields of `OptimizerSettings`.

    Raises:
        ValueError: If a setting is unknown or out of its range, or there is an energy that the
            subclass does not train on.
    """

    monitor: str
    """Name of the metric whose smallest value marks the best checkpoint."""

    def __init__(
        self, flow: Flow, *, seed: int = 0, compile: bool = False, **settings: Any
    ) -> None:
        super().__init__()
        if "energy" in settings:
            raise ValueError(
                f"energy: got one, expected none for {type(self).__name__}; "
                "experiment=energy energy=NAME trains on an energy"
            )
        self.flow = flow
        self.seed = seed
        own = inspect.signature(type(self)).parameters.values()
        self.settings = optimizer_settings(
            settings, [p.name for p in own if p.kind is p.KEYWORD_ONLY]
        )
        self.nonfinite_steps = 0
        self._nonfinite_in_a_row = 0
        if compile:
            log.info("the flow is compiled in its first steps, which can take some minutes")
            self.flow.one_image.compile()

    @abstractmethod
    def training_loss(self, batch: Any, generator: torch.Generator) -> Tensor:
        """The loss of one batch, ``()``; all its random numbers come from the generator."""

    def log_loss(self, loss: Loss) -> Tensor:
        """Log the metrics of an objective; returns its loss in nats per entry of a sample."""
        if not isinstance(loss, Loss):
            raise ValueError(
                f"objective.loss: got a {type(loss).__name__}, expected a rgflow.objectives.Loss"
            )
        for name, value in loss.metrics.items():
            self.log(f"train/{name}", value, prog_bar=True)
        return loss.nats / math.prod(self.flow.event_shape)

    @abstractmethod
    def scores(self) -> dict[str, float | None]:
        """The numbers for ``metrics.json`` as far as they are known; None if they are not."""

    @abstractmethod
    def report(self, directory: Path) -> None:
        """Write final pictures into a run directory."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of a step; a non-finite one gets NaN gradients, which every rank will see."""
        micro_step = batch_idx % self.trainer.accumulate_grad_batches
        key = ("step", self.seed, self.global_rank, self.global_step, micro_step)
        loss = self.training_loss(batch, generator_for(*key, device=self.device))
        return loss * torch.where(loss.detach().isfinite(), 1.0, torch.nan)

    def configure_gradient_clipping(
        self, optimizer: torch.optim.Optimizer, *_: Any, **__: Any
    ) -> None:
        """Clip by norm, log the norm before clipping, and skip the step if it is not finite."""
        largest = self.settings.gradient_clip
        limit = torch.inf if largest is None else largest
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), limit)
        if bool(norm.isfinite()):
            self._nonfinite_in_a_row = 0
            self.log("train/gradient_norm", norm)
            return
        # without gradients AdamW leaves a parameter and its moments alone
        optimizer.zero_grad(set_to_none=True)
        self.nonfinite_steps += 1
        self._nonfinite_in_a_row += 1
        reason = f"; {self.nonfinite_reason()}" if self.nonfinite_steps == 1 else ""
        log.warning("step %d: loss or gradient is not finite, skipped%s", self.global_step, reason)

    def nonfinite_reason(self) -> str:
        """Why a step was not finite, as far as can be told, and what could be done."""
        return "try a smaller training.lr if there are many"

    @property
    def has_diverged(self) -> bool:
        """Whether too many steps in a row were not finite."""
        return self._nonfinite_in_a_row >= self.settings.max_nonfinite

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW with warm-up and cosine decay over all steps of the training."""
        optimizer = adamw(self, self.settings)
        factor = learning_rate_factor(self.settings, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def configure_callbacks(self) -> list[Callback]:
        """The average of weights, unless it is switched off."""
        decay = self.settings.ema_decay
        return [] if decay is None else [ExponentialAverage(decay)]

    def on_train_batch_end(self, *_: Any) -> None:
        """Log the learning rate of the next step; callbacks have had their turn before.

        Raises:
            DivergedError: After too many steps in a row that were not finite.
        """
        if self.has_diverged:
            raise DivergedError(
                f"training diverged: got {self._nonfinite_in_a_row} steps in a row whose loss or "
                f"gradient is not finite, expected finite ones; {self.nonfinite_reason()}"
            )
        self.log("train/lr", self.lr_schedulers().get_last_lr()[0])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the count of skipped steps; refuse what no training can go on from.

        Raises:
            DivergedError: If a weight or a moment is not finite, in all processes alike. The
                checkpoint of before stays.
        """
        parts = ("state_dict", "current_model_state", "optimizer_states")
        misfit = first_nonfinite({part: checkpoint.get(part) for part in parts})
        if misfit:
            raise DivergedError(
                f"training diverged: got {misfit} in step {self.global_step}; try a smaller "
                "training.lr"
            )
        checkpoint["nonfinite"] = [self.nonfinite_steps, self._nonfinite_in_a_row]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the count of skipped steps; a training that diverged gets another chance."""
        self.nonfinite_steps, self._nonfinite_in_a_row = checkpoint.get("nonfinite", [0, 0])
        if self.has_diverged:
            self._nonfinite_in_a_row = 0
