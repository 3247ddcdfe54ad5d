"""What the state of a training has to be before it goes on: optimizer, schedule and counters."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.optim import Optimizer

from rgflow.checkpoint import first_nonfinite
from rgflow.training.callbacks.averaging import ExponentialAverage
from rgflow.training.flow_module import FlowTraining


def check_training_state(trainer: Trainer, module: FlowTraining, step: int) -> None:
    """Refuse a state that Lightning has restored but with which a training cannot go on.

    Args:
        trainer: The trainer, with all of its state restored.
        module: What it trains.
        step: The number of steps after which the state was saved.

    Raises:
        LookupError: If a number is not finite, if the optimizer lacks for some parameter what
            its next step needs, or if a counter cannot be that of the step.
    """
    for optimizer in trainer.optimizers:
        state = {"state": list(optimizer.state.values()), "param_groups": optimizer.param_groups}
        misfit = _kinds_misfit(optimizer) or first_nonfinite(state) or _rates_misfit(optimizer)
        if misfit:
            raise LookupError(f"optimizer_states: got {misfit}")
    for name, count, at_least in _counters(trainer, module, step):
        if type(count) is not int or not at_least <= count <= step:
            expected = step if at_least == step else f"an integer from {at_least} to {step}"
            raise LookupError(f"{name}: got {count!r}, expected {expected}")
    loops = trainer.fit_loop.state_dict().items()
    progress = {name: counts for name, counts in loops if name.endswith("progress")}
    for name, count in _leaves(progress, "loops"):
        if type(count) not in (int, bool) or count < 0:
            raise LookupError(f"{name}: got {count!r}, expected a count")


def _counters(trainer: Trainer, module: FlowTraining, step: int) -> Iterator[tuple[str, Any, int]]:
    """Name, value and smallest possible value of what counts steps."""
    yield "loops", trainer.global_step, step
    for config in trainer.lr_scheduler_configs:
        yield "lr_schedulers.last_epoch", config.scheduler.last_epoch, step
    for optimizer in trainer.optimizers:
        for state in optimizer.state.values():
            count = float(state["step"])  # steps that were not finite do not count
            yield "optimizer_states.step", int(count) if count.is_integer() else count, 0
    yield "nonfinite", module.nonfinite_steps, 0
    for callback in trainer.callbacks:
        if isinstance(callback, ExponentialAverage):
            yield from ((name, count, 0) for name, count in callback.counts().items())


def _leaves(content: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The numbers in nested dicts, with dotted names."""
    if not isinstance(content, Mapping):
        yield name, content
        return
    for key, value in content.items():
        yield from _leaves(value, f"{name}.{key}")


def _kinds_misfit(optimizer: Optimizer) -> str | None:
    """Compare the state with that of a new optimizer which has made one step on one number."""
    first = optimizer.param_groups[0]["params"][0]
    number = torch.nn.Parameter(first.new_zeros(1))
    number.grad = torch.zeros_like(number)
    known = inspect.signature(type(optimizer)).parameters
    settings = {name: value for name, value in optimizer.defaults.items() if name in known}
    model = type(optimizer)([number], **settings)
    model.step()
    for group in optimizer.param_groups:
        for name, wanted in model.param_groups[0].items():
            if name != "params" and _kind(group.get(name)) != _kind(wanted):
                return f"{name}={group.get(name)!r}, expected {_kind(wanted)} such as {wanted}"
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if state and state.keys() != model.state[number].keys():
                expected = ", ".join(model.state[number])
                return f"{', '.join(map(str, state))} for a parameter, expected {expected}"
            for name, value in state.items():
                is_moment = model.state[number][name].dim() > 0
                shape = parameter.shape if is_moment else torch.Size()
                got = value.shape if isinstance(value, Tensor) else type(value).__name__
                if got != shape:
                    got = tuple(got) if isinstance(got, torch.Size) else got
                    return f"{name} of shape {got}, expected {tuple(shape)} as its parameter has"
    return None


def _kind(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "a number"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def _rates_misfit(optimizer: Optimizer) -> str | None:
    """The schedule lowers the learning rate of the settings; nothing raises it."""
    for group in optimizer.param_groups:
        for name in ("lr", "initial_lr"):
            if not 0 <= group[name] <= optimizer.defaults["lr"]:
                return f"{name}={group[name]}, expected 0 to {optimizer.defaults['lr']}"
    return None
