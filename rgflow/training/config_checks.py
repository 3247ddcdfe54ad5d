"""Mistakes in a configuration that can be told before anything is trained."""

import os
import shutil
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule

    from rgflow.flow import Flow

PRECISIONS = ("auto", "bf16-mixed", "32-true", "64-true")
"""Half precision needs a scaler of gradients, which clipping leaves out; the flow's own arithmetic
is not made for bfloat16."""
LARGEST_SEED = 2**32 - 1


def check_numbers(config: dict[str, Any]) -> None:
    """Refuse, with a ValueError, numbers of steps and such that are none, or too small.

    So are a seed that is too large, and precisions other than ``PRECISIONS``.
    """
    least_values = {"seed": 0, "max_steps": 1, "validation_every": 1, "log_every": 1}
    accumulate = {"trainer.accumulate_grad_batches": 1}
    numbers = {name: config[name] for name in least_values}
    numbers |= {name: config["trainer"].get("accumulate_grad_batches", 1) for name in accumulate}
    for name, least in (least_values | accumulate).items():
        value = numbers[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name}: got {value!r}, expected an integer of at least {least}")
    for name in ("max_epochs", "limit_train_batches"):
        if config["trainer"].get(name) == 0:
            raise ValueError(f"trainer.{name}: got 0, expected a number that allows a step")
    if config["seed"] > LARGEST_SEED:
        raise ValueError(f"seed: got {config['seed']}, expected at most {LARGEST_SEED}")
    precision = config["trainer"].get("precision")
    if precision is not None and str(precision) not in (*PRECISIONS, "32", "64"):
        raise ValueError(
            f"trainer.precision: got {precision}, expected one of {', '.join(PRECISIONS)}"
        )


def check_hardware(config: dict[str, Any]) -> None:
    """Refuse, with a ValueError, a GPU or a compiler where there is none."""
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


def check_shapes(flow: "Flow", data: "LightningDataModule | None") -> None:
    """Refuse data of another shape than the flow's, with a ValueError."""
    if data is None:
        return
    if not hasattr(flow, "event_shape"):
        raise ValueError(f"data: got some, expected none: {type(flow).__name__} needs no data")
    wanted = tuple(flow.event_shape)
    got = getattr(data, "event_shape", wanted)
    if got != wanted:
        raise ValueError(
            f"data: got images of shape {got}, expected {wanted} as the flow has "
            "(data.channels, data.side against flow.channels, flow.side)"
        )


def check_sweep(config: dict[str, Any], is_sweep: bool) -> None:
    """Refuse, with a ValueError, jobs of a sweep that start processes of their own.

    Lightning starts them with the sweep's command line: each would sweep again.
    """
    devices = config["trainer"].get("devices", 1)
    if is_sweep and devices not in (1, "1", "auto") and "SLURM_JOB_ID" not in os.environ:
        raise ValueError(
            f"got a sweep with trainer.devices={devices}, expected trainer.devices=1 "
            "(or hydra/launcher=slurm, where every process is started from outside)"
        )


def check_ranks(data: "LightningDataModule", ranks: int) -> None:
    """Refuse, with a ValueError, data of which some process would get nothing to evaluate.

    Args:
        data: After its ``setup``.
        ranks: Number of processes.
    """
    if not hasattr(data, "split"):
        return
    for name in ("validation", "test"):
        size = len(data.split(name))
        if size < ranks:
            raise ValueError(
                f"data.{name}_size: got {size} images for {ranks} processes, expected at least "
                "one for each"
            )
