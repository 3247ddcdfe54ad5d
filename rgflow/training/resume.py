"""Going on from a checkpoint, which is checked before anything is trained."""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer

from rgflow.checkpoint import describe_misfit, flow_weights, read_checkpoint
from rgflow.runtime.command_line import is_first_process
from rgflow.runtime.config import flat
from rgflow.runtime.resumed_config import linked_settings
from rgflow.runtime.run_folder import RunFolder
from rgflow.training.optimizer import OptimizerSettings
from rgflow.training.training_state import check_training_state

if TYPE_CHECKING:
    from rgflow.flow import Flow

log = logging.getLogger(__name__)

TRAINING_STATE = ("epoch", "global_step", "loops", "callbacks", "optimizer_states",
                  "lr_schedulers", "pytorch-lightning_version")  # fmt: skip
"""What a checkpoint made by training has beside weights and configuration."""
MOVING_WEIGHTS = "current_model_state"
"""The weights that the optimizer moves, if ``state_dict`` has their average."""
# the state of the optimizer holds these, and it wins over a new value
_HELD_BY_THE_OPTIMIZER = ("training.lr", "training.betas", "training.weight_decay")
_HOW_IT_IS_TRAINED = {f"training.{field.name}" for field in fields(OptimizerSettings)}
_OF_THE_SESSION = ("ckpt_path", "presets.experiment", "presets.debug")
_MEASURED = ("flow.", "energy.", "data.", "objective.", "training.", "trainer.limit_val_batches")


class Resume(Callback):
    """Goes on from the checkpoint ``ckpt_path`` of the configuration, if there is one.

    It logs which settings differ from those of the checkpoint. As a callback it makes sure that
    Lightning has restored the state, and says from where the run goes on.

    Args:
        flow: The flow that is to be trained.
        config: The resolved configuration.

    Attributes:
        path: The checkpoint; None for a fresh start.
        step: Its number of steps.
        remeasured: The changed settings on which the monitored number depends: with them, scores
            of before cannot be compared with those of now.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, of another architecture, without a part of the state of its
            training or beyond the end of the training, or if a number that cannot change in the
            middle of a training is another one.
    """

    def __init__(self, flow: "Flow", config: dict[str, Any]) -> None:
        self.path: str | None = config["ckpt_path"]
        self.step, self.last_step = 0, config["max_steps"]
        self.remeasured: list[str] = []
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
        self.step = content["global_step"]
        if self.step > config["max_steps"]:
            raise ValueError(
                f"ckpt_path={self.path} is at step {self.step}, expected max_steps of at least "
                f"that, got {config['max_steps']}"
            )
        for group, option in config["presets"].items():
            if option is not None and "presets" not in content["config"]:
                _say("%s=%s is not applied: the run keeps its settings", group, option)
        for name, old, new in _differences(content["config"], config):
            if name in _HELD_BY_THE_OPTIMIZER:
                raise ValueError(f"{name}: got {new}, expected {old} as in ckpt_path={self.path}")
            _say("%s: %s from now on, %s in %s", name, new, old, self.path)
            if name.startswith(_MEASURED) and name not in _HOW_IT_IS_TRAINED:
                self.remeasured.append(name)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a state that Lightning has not restored but passed over in silence.

        Raises:
            LookupError: If the step is another one, if the optimizer has no moments although it
                has made a step, or if some state cannot be that of the step.
        """
        if trainer.global_step != self.step:
            raise LookupError(f"its loops end at step {trainer.global_step}, not {self.step}")
        made_a_step = self.step > pl_module.nonfinite_steps
        if made_a_step and not any(optimizer.state for optimizer in trainer.optimizers):
            raise LookupError("its optimizer_states have no moments")
        if self.path is None:
            return
        check_training_state(trainer, pl_module, self.step)
        _say("resumed at step %d of %d from %s", self.step, self.last_step, self.path)
        schedule = trainer.lr_scheduler_configs[0].scheduler
        before = schedule.get_last_lr()[0]
        after = schedule.base_lrs[0] * schedule.lr_lambdas[0](schedule.last_epoch)
        if not math.isclose(before, after, rel_tol=1e-3):
            _say(
                "learning rate: it jumps from %.3g to %.3g, as it falls until step %d now",
                before,
                after,
                self.last_step,
            )


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
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError) as error:
        if folder.begun or ckpt_path is None:
            raise
        raise ValueError(
            f"ckpt_path={ckpt_path}: its state of training cannot be restored, expected that of "
            f"this configuration ({type(error).__name__}: {error})"
        ) from error


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, old and new value of the settings that differ; of copies only the original.

    Checkpoints of earlier versions may lack a node or a setting at the top.
    """
    before, after = (flat({k: config[k] for k in old if k in config}) for config in (old, new))
    copies = linked_settings(dict(new))
    for name in sorted(before.keys() | after.keys()):
        values = before.get(name, "unset"), after.get(name, "unset")
        is_copy = name in copies and copies[name][0] in before
        is_same = repr(values[0]) == repr(values[1])  # one batch, 1, is not all of them, 1.0
        if not (is_same or is_copy or name in _OF_THE_SESSION):
            yield name, *values


def _say(text: str, *values: Any) -> None:
    """Log a line, in one of the processes of a run."""
    if is_first_process():
        log.info(text, *values)
