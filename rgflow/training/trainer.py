"""Lightning's trainer with the callbacks that every run has."""

import logging
import sys
import warnings
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer

from rgflow.checkpoint import read_checkpoint
from rgflow.runtime.config import build
from rgflow.training.callbacks.best import BestCheckpoint
from rgflow.training.callbacks.last_checkpoint import LastCheckpoint
from rgflow.training.callbacks.last_validation import LastValidation
from rgflow.training.callbacks.progress import Curves, LogLines, Throughput
from rgflow.training.callbacks.run_directory import RunDirectory
from rgflow.training.callbacks.step_bar import StepBar
from rgflow.training.checkpoint_io import WholeCheckpoints
from rgflow.training.flow_module import FlowTraining
from rgflow.training.lost_process import ProcessWatch
from rgflow.training.resume import Resume

log = logging.getLogger(__name__)

# Advice of Lightning that does not apply here: batches are a function of the step, data in memory
# need no workers, and a forgotten best score is told in other words
_BESIDE_THE_POINT = (
    ".*does not have many workers.*",
    ".*your dataloader is not resumable.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*callbacks used to create the checkpoint need to be provided.*",
    ".*number of training batches .* is smaller than the logging interval.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*LeafSpec.* is deprecated.*",
    ".*when logging on epoch level in distributed setting.*",
)


def make_trainer(
    config: dict[str, Any],
    directory: RunDirectory,
    resume: Resume,
    stopping: LastCheckpoint,
    monitor: str,
) -> Trainer:
    """Lightning's trainer with what every run has: checkpoints, curves, lines or a progress bar.

    Args:
        config: The resolved configuration.
        directory: Where everything is written.
        resume: The checkpoint from which the run goes on, if there is one.
        stopping: Keeps ``last.ckpt``.
        monitor: Name of the metric whose smallest value marks ``best.ckpt``.

    Raises:
        ValueError: If Lightning does not take the settings.
    """
    is_terminal = sys.stdout.isatty() and sys.stderr.isatty()
    best = BestCheckpoint(directory.last.parent, monitor, resume.path, resume.remeasured)
    callbacks: list[Callback] = [resume, directory, directory.stopwatch, Throughput()]
    callbacks += [LogLines(config["log_every"]), ProcessWatch(), best, stopping]
    callbacks.append(LastValidation(resume.step))
    if is_terminal:
        callbacks.append(StepBar())
    # a resumed run writes anew what an earlier session wrote in this folder of later steps; one
    # that has made all its steps also what was measured after the last one
    is_over = resume.step == config["max_steps"]
    repeated = resume.step + (not is_over) if resume.path else None
    logger = Curves(
        directory.path, name="", version="", default_hp_metric=False, purge_step=repeated
    )
    # Lightning counts batches here, of which several may make one step
    every = config["validation_every"] * config["trainer"].get("accumulate_grad_batches", 1)
    node = config["trainer"] | {"val_check_interval": every}
    if node.get("precision") == "auto":
        node = node | {"precision": fast_precision(node.get("accelerator", "auto"))}
    try:
        return build(
            node,
            "trainer",
            logger=logger,
            callbacks=callbacks,
            default_root_dir=directory.path,
            plugins=[WholeCheckpoints()],
            enable_progress_bar=is_terminal,
        )
    except (
        TypeError,
        ValueError,
        RuntimeError,
        AttributeError,
        MisconfigurationException,
    ) as error:
        # Lightning rarely tells which setting it means
        got = ", ".join(f"{key}={value}" for key, value in node.items() if key[0] != "_")
        raise ValueError(f"trainer: {error}; got {got}") from error


def fast_precision(accelerator: str) -> str:
    """``"bf16-mixed"`` where the hardware multiplies bfloat16 matrices, else ``"32-true"``.

    Only the conditioners' products are made in bfloat16: the flow's own arithmetic, its log_det
    and all evaluation stay in float32.
    """
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    fast = getattr(torch.cpu, "get_capabilities", dict)()  # not in older versions
    has_bf16 = any(fast.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return "bf16-mixed" if has_bf16 else "32-true"


def take_best_weights(trainer: Trainer, module: FlowTraining) -> None:
    """Put the weights with the best validation into the module, if these are not the last ones.

    A last validation that is not a number counts as worse.
    """
    best = next(c for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint))
    if best.score is None:
        return
    last = float(trainer.callback_metrics[module.monitor])
    if not last <= best.score:  # which holds where the last one is not a number
        log.info("testing the weights of the best validation: %s", best.best_model_path)
        module.load_state_dict(read_checkpoint(best.best_model_path)["state_dict"])


def quiet_lightning() -> None:
    """Silence Lightning's notices and the advice that does not apply; warnings and errors stay."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _BESIDE_THE_POINT:
        warnings.filterwarnings("ignore", message)
