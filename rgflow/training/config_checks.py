"""Mistakes in a configuration that can be told before anything is trained."""

import math
import os
import shutil
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from rgflow.objectives import Objective
from rgflow.runtime.command_line import is_first_process

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule

    from rgflow.flow import Flow

PRECISIONS = ("auto", "bf16-mixed", "32-true", "64-true")
"""Half precision needs a scaler of gradients, which clipping leaves out; the flow's own arithmetic
is not made for bfloat16."""
LARGEST_SEED = 2**32 - 1


def check_settings(config: dict[str, Any]) -> None:
    """Refuse, with a ValueError, what no run can do or what this machine cannot do."""
    _check_numbers(config)
    _check_hardware(config)
    _check_sweep(config)


def check_shapes(flow: "Flow", data: "LightningDataModule | None") -> None:
    """Refuse data of another shape than the flow's, with a ValueError."""
    if data is None:
        return
    if not hasattr(flow, "event_shape"):
        raise ValueError(f"data: got some, expected none: {type(flow).__name__} needs no data")
    wanted = tuple(flow.event_shape)
    got = tuple(getattr(data, "event_shape", wanted))
    if got != wanted:
        raise ValueError(
            f"data: got images of shape {got}, expected {wanted} as the flow has "
            "(data.channels, data.side against flow.channels, flow.side)"
        )


def check_data(data: "LightningDataModule | None", ranks: int) -> None:
    """Find out about missing or bad files before other processes start.

    Args:
        data: The data module, if there is one.
        ranks: Number of processes.

    Raises:
        ValueError: If the data cannot be used, or if some process would get nothing to evaluate.
        FileNotFoundError: If the data are not there.
    """
    if data is None or ranks == 1 or not is_first_process():
        return
    data.prepare_data()
    data.setup("fit")
    if not hasattr(data, "split"):
        return
    for name in ("validation", "test"):
        size = len(data.split(name))
        if size < ranks:
            raise ValueError(
                f"data.{name}_size: got {size} images for {ranks} processes, expected at least "
                "one for each"
            )


def _check_numbers(config: dict[str, Any]) -> None:
    trainer = config["trainer"]
    numbers = {"trainer.accumulate_grad_batches": trainer.get("accumulate_grad_batches", 1)}
    for name in ("seed", "max_steps", "validation_every", "log_every"):
        numbers[name] = config[name]
    for name, value in numbers.items():
        least = 0 if name == "seed" else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name}: got {value!r}, expected an integer of at least {least}")
    for name in ("max_epochs", "limit_train_batches"):
        if trainer.get(name) == 0:
            raise ValueError(f"trainer.{name}: got 0, expected a number that allows a step")
    if config["seed"] > LARGEST_SEED:
        raise ValueError(f"seed: got {config['seed']}, expected at most {LARGEST_SEED}")
    precision = trainer.get("precision")
    if precision is not None and str(precision) not in (*PRECISIONS, "32", "64"):
        raise ValueError(
            f"trainer.precision: got {precision}, expected one of {', '.join(PRECISIONS)}"
        )


def _check_hardware(config: dict[str, Any]) -> None:
    compilers = (os.environ.get("CXX", "g++"), "g++", "clang++")
    if config["compile"] and not any(map(shutil.which, compilers)):
        raise ValueError(
            "compile: got true but no C++ compiler is found, expected g++ or clang++ to be "
            "installed, or compile=false"
        )
    if config["trainer"].get("accelerator") in ("gpu", "cuda") and not torch.cuda.is_available():
        raise ValueError(
            "trainer.accelerator: got 'gpu' but no GPU is found, expected trainer=cpu (or "
            "trainer=ddp trainer.accelerator=cpu trainer.devices=2) on this machine"
        )


def _check_sweep(config: dict[str, Any]) -> None:
    """A sweep's jobs start no processes: Lightning would have each of them sweep again."""
    from hydra.core.hydra_config import HydraConfig

    is_sweep = HydraConfig.initialized() and HydraConfig.get().mode.name == "MULTIRUN"
    devices = config["trainer"].get("devices", 1)
    if is_sweep and devices not in (1, "1", "auto") and "SLURM_JOB_ID" not in os.environ:
        raise ValueError(
            f"got a sweep with trainer.devices={devices}, expected trainer.devices=1 "
            "(or hydra/launcher=slurm, where every process is started from outside)"
        )


def check_objective(objective: Objective, numbers: Iterable[str]) -> None:
    """Check that this is an `Objective` and that a validation computes its `monitor`.

    Args:
        objective: What a configuration has built.
        numbers: Names of the numbers that every validation gives, and ``cross_entropy`` if it
            gives that for an objective which learns from states.

    Raises:
        ValueError: If it is something else, or its `monitor` needs another number.
    """
    if not isinstance(objective, Objective):
        raise ValueError(
            f"objective: got a {type(objective).__name__}, expected a class derived from "
            "rgflow.objectives.Objective"
        )
    if not isinstance(getattr(objective, "monitor", None), str):
        raise ValueError(
            f"objective: got {type(objective).__name__} without a monitor, expected the name of "
            f"a number of a validation: {', '.join(numbers)}"
        )
    given = [n for n in numbers if objective.needs_states or n != "cross_entropy"]
    objective.monitored(dict.fromkeys(given, math.nan))
