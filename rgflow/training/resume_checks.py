"""What a checkpoint must hold for a training to go on from it, told before anything is trained."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rgflow.checkpoint import PREFIX, describe_misfit, flow_weights, read_checkpoint
from rgflow.training.callbacks.run_directory import RunDirectory

if TYPE_CHECKING:
    from rgflow.flow import Flow

log = logging.getLogger(__name__)

# The state of the optimizer holds these, and it wins over a new value
_HELD_BY_THE_OPTIMIZER = ("training.lr", "training.betas", "training.weight_decay")


def checked_resume(flow: "Flow", config: dict[str, Any]) -> str | None:
    """The checkpoint to resume from, None for a fresh start.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, of another architecture, without a part of the state of its
            training, or at the end of the training already, or if a number that cannot change in
            the middle is another one.
    """
    path = config["ckpt_path"]
    if path is None:
        return None
    content = read_checkpoint(path)
    for weights in (flow_weights(content), _moving_weights(content)):
        misfit = None if weights is None else describe_misfit(flow.state_dict(), weights)
        if misfit:
            raise ValueError(f"ckpt_path={path} does not fit the flow: {misfit}")
    missing = list(_missing_state(content))
    if missing:
        raise ValueError(
            f"ckpt_path={path}: got no usable {', '.join(missing)}, expected a checkpoint made by "
            "training, which has all of its state"
        )
    done = content["global_step"]
    if done >= config["max_steps"]:
        raise ValueError(f"ckpt_path={path} is at step {done}, expected max_steps above it")
    for name, old, new in _differences(content["config"], config):
        if name in _HELD_BY_THE_OPTIMIZER:
            raise ValueError(f"{name}: got {new}, expected {old} as in ckpt_path={path}")
        log.info("%s: %s from now on, %s in %s", name, new, old, path)
    return str(path)


@contextmanager
def restoring(path: str | None, directory: RunDirectory) -> Iterator[None]:
    """Inside, what goes wrong before training begins is blamed on the checkpoint, if there is one.

    Raises:
        ValueError: In place of what Lightning and torch raise for a state that does not fit.
    """
    try:
        yield
    except (AttributeError, LookupError, RuntimeError, TypeError) as error:
        if path is None or directory.training_begun:
            raise
        raise ValueError(
            f"ckpt_path={path}: its state of training cannot be restored, expected that of this "
            f"configuration ({type(error).__name__}: {error})"
        ) from error


def _moving_weights(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Those that the optimizer moves, which are beside their average if there is one."""
    state = content.get("current_model_state")
    if not isinstance(state, dict):
        return None
    return {str(name).removeprefix(PREFIX): value for name, value in state.items()}


def _missing_state(content: Mapping[str, Any]) -> Iterator[str]:
    """Names of the parts that are not there, or that Lightning would pass over in silence."""
    for name in ("epoch", "global_step"):
        value = content.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            yield name
    if not isinstance(content.get("pytorch-lightning_version"), str):
        yield "pytorch-lightning_version"
    if not _has_moments(content):
        yield "optimizer_states"
    if not _are_filled(content.get("lr_schedulers")):
        yield "lr_schedulers"
    loops = content.get("loops")
    if not (_is_filled(loops) and _is_filled(loops.get("fit_loop"))):
        yield "loops"
    if not _is_filled(content.get("callbacks")):
        yield "callbacks"
    if (content["config"].get("training") or {}).get("ema_decay") is not None:
        names = ("current_model_state", "averaging_state")
        yield from (name for name in names if not _is_filled(content.get(name)))


def _has_moments(content: Mapping[str, Any]) -> bool:
    """Whether there is an optimizer's state; no moments are in it if it skipped every step."""
    states = content.get("optimizer_states")
    if not _are_filled(states):
        return False
    skipped = (content.get("nonfinite") or [0])[0]
    return skipped == content.get("global_step") or all(_is_filled(s.get("state")) for s in states)


def _are_filled(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(map(_is_filled, values))


def _is_filled(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, old and new value of what differs in the nodes that say what is trained and how."""
    for node in ("flow", "training", "data"):
        before, after = old.get(node) or {}, new.get(node) or {}
        for key in sorted(before.keys() | after.keys()):
            values = before.get(key, "unset"), after.get(key, "unset")
            if values[0] != values[1]:
                yield f"{node}.{key}", *values
