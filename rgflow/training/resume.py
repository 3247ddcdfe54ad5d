"""Going on from a checkpoint, which is checked before anything is trained."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer

from rgflow.checkpoint import describe_misfit, flow_weights, read_checkpoint
from rgflow.runtime.run_folder import RunFolder

if TYPE_CHECKING:
    from rgflow.flow import Flow

log = logging.getLogger(__name__)

TRAINING_STATE = ("epoch", "global_step", "loops", "callbacks", "optimizer_states",
                  "lr_schedulers", "pytorch-lightning_version")  # fmt: skip
"""What a checkpoint made by training has beside weights and configuration."""
MOVING_WEIGHTS = "current_model_state"
"""The weights that the optimizer moves, if ``state_dict`` has their average."""
_COMPARED = ("flow", "objective", "training", "data", "energy")
# the state of the optimizer holds these, and it wins over a new value
_HELD_BY_THE_OPTIMIZER = ("training.lr", "training.betas", "training.weight_decay")


class Resume(Callback):
    """Goes on from the checkpoint ``ckpt_path`` of the configuration, if there is one.

    It logs which settings differ from those of the checkpoint. As a callback it makes sure that
    Lightning has restored the state.

    Args:
        flow: The flow that is to be trained.
        config: The resolved configuration.

    Attributes:
        path: The checkpoint; None for a fresh start.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, of another architecture, without a part of the state of its
            training or at the end of the training already, or if a number that cannot change in
            the middle of a training is another one.
    """

    def __init__(self, flow: "Flow", config: dict[str, Any]) -> None:
        self.path: str | None = config["ckpt_path"]
        self._step = 0
        if self.path is None:
            return
        content = read_checkpoint(self.path)
        averages = (content["config"].get("training") or {}).get("ema_decay") is not None
        parts = TRAINING_STATE + ((MOVING_WEIGHTS, "averaging_state") if averages else ())
        missing = [name for name in parts if content.get(name) in (None, [], {})]
        if missing:
            raise ValueError(
                f"ckpt_path={self.path}: got no {', '.join(missing)}, expected a checkpoint made "
                "by training, which has all of its state"
            )
        for part in ("state_dict", MOVING_WEIGHTS) if averages else ("state_dict",):
            misfit = describe_misfit(flow.state_dict(), flow_weights(content, part))
            if misfit:
                raise ValueError(f"ckpt_path={self.path} does not fit the flow: {misfit}")
        self._step = content["global_step"]
        if self._step >= config["max_steps"]:
            raise ValueError(
                f"ckpt_path={self.path} is at step {self._step}, expected max_steps above it"
            )
        for name, old, new in _differences(content["config"], config):
            if name in _HELD_BY_THE_OPTIMIZER:
                raise ValueError(f"{name}: got {new}, expected {old} as in ckpt_path={self.path}")
            log.info("%s: %s from now on, %s in %s", name, new, old, self.path)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a state that Lightning has not restored but passed over in silence.

        Raises:
            LookupError: If the step is another one, or if the optimizer has no moments although
                it has made a step.
        """
        if trainer.global_step != self._step:
            raise LookupError(f"its loops end at step {trainer.global_step}, not {self._step}")
        made_a_step = self._step > pl_module.nonfinite_steps
        if made_a_step and not any(optimizer.state for optimizer in trainer.optimizers):
            raise LookupError("its optimizer_states have no moments")


@contextmanager
def telling_mistakes(ckpt_path: str | None, folder: RunFolder) -> Iterator[None]:
    """Inside, what Lightning and torch raise before training has begun becomes a ValueError.

    Args:
        ckpt_path: The checkpoint from which the run goes on, if there is one.
        folder: Knows whether training has begun.

    Raises:
        ValueError: For settings that Lightning does not take, and, where a run is resumed, for a
            state that cannot be restored.
    """
    try:
        yield
    except MisconfigurationException as error:
        if folder.begun:
            raise
        raise ValueError(str(error)) from error
    except (AttributeError, LookupError, RuntimeError, TypeError) as error:
        if folder.begun or ckpt_path is None:
            raise
        raise ValueError(
            f"ckpt_path={ckpt_path}: its state of training cannot be restored, expected that of "
            f"this configuration ({type(error).__name__}: {error})"
        ) from error


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, old and new value of what differs in the nodes that say what is trained and how.

    Checkpoints of earlier versions may have no node for the objective.
    """
    for node in (name for name in _COMPARED if name in old):
        before, after = old.get(node) or {}, new.get(node) or {}
        for key in sorted(before.keys() | after.keys()):
            values = before.get(key, "unset"), after.get(key, "unset")
            if values[0] != values[1]:
                yield f"{node}.{key}", *values
