"""The optimizer of a flow: parameter groups, learning-rate schedule and their settings."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class OptimizerSettings:
    """Numbers of AdamW, its schedule, clipping and the average of weights.

    Attributes:
        lr: Highest learning rate.
        betas: Decay rates of AdamW's moments.
        weight_decay: Decoupled decay, on the matrices of linear and convolutional layers only.
        warmup_steps: Steps of linear growth of the learning rate, in a training that is at least
            ten times as long; of a shorter one, the first tenth.
        final_lr_fraction: Learning rate of the last step over the highest.
        gradient_clip: Largest norm of the gradient, or None.
        ema_decay: Decay per step of the exponential average of weights, or None for no average.
        max_nonfinite: Steps in a row with a non-finite loss or gradient after which training
            stops.

    Raises:
        ValueError: If a number is not one or out of its range.
    """

    lr: float = 2e-3
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-4
    warmup_steps: int = 100
    final_lr_fraction: float = 0.02
    gradient_clip: float | None = 1.0
    ema_decay: float | None = 0.999
    max_nonfinite: int = 20

    def __post_init__(self) -> None:
        checks: dict[str, tuple[Callable[[float], bool], str]] = {
            "lr": (lambda x: 0 < x < math.inf, "a finite number > 0"),
            "weight_decay": (lambda x: 0 <= x < math.inf, "a finite number >= 0"),
            "warmup_steps": (lambda x: isinstance(x, int) and x >= 0, "an integer >= 0"),
            "final_lr_fraction": (lambda x: 0 <= x <= 1, "a number in [0, 1]"),
            "gradient_clip": (lambda x: 0 < x < math.inf, "a finite number > 0, or null"),
            "ema_decay": (lambda x: 0 <= x <= 1, "a number in [0, 1], or null"),
            "max_nonfinite": (lambda x: isinstance(x, int) and x >= 1, "an integer >= 1"),
        }
        for name, (is_right, expected) in checks.items():
            value = getattr(self, name)
            if value is None and name in ("gradient_clip", "ema_decay"):
                continue
            if not _is_number(value) or not is_right(value):
                raise ValueError(f"training.{name}: got {value!r}, expected {expected}")
        betas = self.betas
        is_pair = isinstance(betas, list | tuple) and len(betas) == 2
        if not is_pair or not all(_is_number(beta) and 0 <= beta < 1 for beta in betas):
            raise ValueError(f"training.betas: got {betas!r}, expected two numbers in [0, 1)")
        object.__setattr__(self, "betas", tuple(betas))


def optimizer_settings(settings: Mapping[str, Any], others: Iterable[str]) -> OptimizerSettings:
    """Settings out of what is left of a configuration's node.

    Args:
        settings: Fields of `OptimizerSettings`.
        others: Names of the node's other settings, for the message.

    Raises:
        ValueError: If a name is unknown, or a number is out of its range.
    """
    known = [field.name for field in fields(OptimizerSettings)]
    for name in settings:
        if name not in known:
            allowed = ", ".join([*others, *known])
            raise ValueError(f"training.{name}: got an unknown setting, expected one of {allowed}")
    return OptimizerSettings(**settings)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def learning_rate_factor(settings: OptimizerSettings, total_steps: int) -> Callable[[int], float]:
    r"""Linear warm-up, then half a cosine from 1 down to ``final_lr_fraction``.

    The warm-up is at most a tenth of the training, so that a short try is not all warm-up.

    Args:
        settings: Settings of the optimizer.
        total_steps: Steps of the whole training.

    Returns:
        The factor as a function of the number of steps that are done, for LambdaLR.
    """
    warmup = min(settings.warmup_steps, total_steps // 10)
    final = settings.final_lr_fraction

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))

    return factor


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Split parameters into matrices of layers, which decay, and all others, which do not.

    A parameter decays if it has at least two axes longer than 1 and is a layer's ``weight``, or
    if it is several such matrices in one tensor, which is called ``weights``.
    Biases, gains, scales, shifts, embeddings and the matrices that mix channels invertibly do not,
    since zero is no natural value for them, nor do directions under weight normalization, whose
    length does not matter.
    """
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    embeddings = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    for name, parameter in module.named_parameters():
        *_, own_name = name.split(".")
        is_matrix = sum(size > 1 for size in parameter.shape) >= 2
        is_weight = own_name == "weights" or (own_name == "weight" and is_matrix)
        groups[is_weight and id(parameter) not in embeddings].append(parameter)
    decays = {True: weight_decay, False: 0.0}
    return [{"params": ps, "weight_decay": decays[d]} for d, ps in groups.items() if ps]


def adamw(module: nn.Module, settings: OptimizerSettings) -> torch.optim.AdamW:
    """AdamW, in its fused form, over the groups of `parameter_groups`."""
    groups = parameter_groups(module, settings.weight_decay)
    return torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas, fused=True)
