"""Exponential average of the weights, through Lightning's WeightAveraging."""

from collections.abc import Sequence

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


class ExponentialAverage(WeightAveraging):
    r"""Averages the weights after every step: ``w_avg += (1 - d_n) (w - w_avg)``.

    The decay grows with the number n of averaged steps, ``d_n = min(decay, (1 + n) / (10 + n))``,
    so that the random start is soon forgotten. Validation, test and the checkpoints'
    ``state_dict`` use the average; the weights that the optimizer moves are saved beside it, so
    that resuming is exact.

    Args:
        decay: The decay for large n, in [0, 1].
    """

    def __init__(self, decay: float) -> None:
        def update(averages: Sequence[Tensor], weights: Sequence[Tensor], count: Tensor) -> None:
            n = int(count)
            torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + n) / (10 + n)))

        # buffers hold constants, which need no average, and may be integers, which have none
        super().__init__(use_buffers=False, multi_avg_fn=update)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Follow a change of precision, which Lightning makes after the average was set up."""
        self._average_model.to(dtype=next(pl_module.parameters()).dtype)

    def counts(self) -> dict[str, int]:
        """How many steps have been averaged, and after which one that was."""
        return {
            "averaging_state.n_averaged": int(self._average_model.n_averaged),
            "latest_update_step": self._latest_update_step,
        }
