"""Save and load flows: plain containers and tensors, no code.

A checkpoint is a dict with the resolved configuration under ``config`` (a plain dict, whose node
``flow`` builds the flow) and its weights under ``state_dict``, with the prefix ``flow.``. Training
adds the state of its optimizer and loops, which loading ignores. Neither Hydra nor Lightning is
needed here.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rgflow.runtime.config import build, check_target
from rgflow.runtime.files import write_atomically

if TYPE_CHECKING:
    from rgflow.flow import Flow

PREFIX = "flow."
REAL = ("float64", "float32", "bfloat16", "float16")
MAKERS = ("rgflow.models",)
"""Modules whose functions a checkpoint may name: they build flows and do nothing else."""


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint's containers and tensors, on the CPU, without running any code of it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated, or something else than an rgflow checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"got no file at {path}, expected a checkpoint such as last.ckpt")
    expected = "expected an rgflow checkpoint with 'config' and 'state_dict'"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what torch.load raises for a broken file is not documented
        raise ValueError(f"{path}: got a truncated or foreign file, {expected}") from error
    if not (isinstance(content, dict) and {"config", "state_dict"} <= content.keys()):
        raise ValueError(f"{path}: got {_describe(content)}, {expected}")
    config, state = content["config"], content["state_dict"]
    if not isinstance(config, dict) or not isinstance(config.get("flow"), dict):
        raise ValueError(f"{path}: got a config without a node 'flow', {expected}")
    for name in ("data", "energy", "training"):
        if not isinstance(config.get(name), dict | None):
            raise ValueError(f"{path}: got the config {name}={config[name]!r}, expected a node")
    if not isinstance(state, dict):
        raise ValueError(f"{path}: got a {type(state).__name__} as 'state_dict', expected tensors")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            kind = type(value).__name__
            raise ValueError(f"{path}: got a {kind} as weight {name!r}, expected a tensor")
    return content


def load_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The resolved configuration with which a checkpoint was trained.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated or no rgflow checkpoint.
    """
    return read_checkpoint(path)["config"]


def load_flow(path: str | os.PathLike[str], device: str | torch.device = "cpu") -> "Flow":
    """Build the flow of a checkpoint and load its weights, strictly.

    For a flow that was trained with an average of its weights, these are the averaged ones. The
    flow has the precision in which they are stored.

    Args:
        path: A checkpoint made by training or by `save_flow`.
        device: Where to put the flow.

    Returns:
        The flow in evaluation mode.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated or foreign, names a ``_target_`` that is not in
            `rgflow.models` or makes no flow, or its weights do not fit the flow that its
            configuration describes or are not finite; or if there is no such device.
    """
    from rgflow.flow import Flow

    _check_device(device)
    content = read_checkpoint(path)
    try:
        flow = build(content["config"]["flow"], "flow", within=MAKERS)
    except ValueError:
        raise
    except Exception as error:  # for instance a side for which there is no memory
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"{path}: its config makes no flow, expected that of a training: {reason}"
        ) from error
    if not isinstance(flow, Flow):
        raise ValueError(f"{path}: flow: got a {type(flow).__name__}, expected a Flow")
    weights = flow_weights(content)
    misfit = describe_misfit(flow.state_dict(), weights)
    if misfit:
        raise ValueError(f"{path}: its weights do not fit its own config: {misfit}")
    # a flow trained in double precision stays so
    dtypes = [value.dtype for value in weights.values() if value.is_floating_point()]
    flow.to(dtypes[0] if dtypes else None)
    flow.load_state_dict(weights)
    return flow.to(device).eval()


def save_flow(flow: "Flow", flow_config: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a flow so that `load_flow` can read it; atomically.

    Args:
        flow: The flow.
        flow_config: The plain node that builds it, ``{"_target_": "rgflow.models...", ...}``.
        path: The file to write; its folder is made if need be.

    Raises:
        ValueError: If the node's target is not in `rgflow.models`.
    """
    check_target(flow_config.get("_target_"), "flow", MAKERS)
    state = {PREFIX + name: value for name, value in flow.state_dict().items()}
    content = {"config": {"flow": flow_config}, "state_dict": state}
    write_atomically(path, lambda file: torch.save(content, file))


def flow_weights(content: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The flow's own state dict inside a checkpoint."""
    state = content["state_dict"]
    return {name[len(PREFIX) :]: v for name, v in state.items() if name.startswith(PREFIX)}


def describe_misfit(expected: Mapping[str, torch.Tensor], got: Mapping[str, Any]) -> str | None:
    """Say in a few words why weights cannot be those of a flow; None if they can.

    Args:
        expected: The flow's own state dict, of which names, shapes and kinds of numbers count.
        got: The weights, which must be finite as well.
    """
    missing = sorted(expected.keys() - got.keys())
    surplus = sorted(got.keys() - expected.keys())
    if missing or surplus:
        example = (missing or surplus)[0]
        return f"{len(missing)} tensors missing and {len(surplus)} unknown, for instance {example}"
    for name, value in expected.items():
        kinds = _kind(got[name]), _kind(value)
        if kinds[0] != kinds[1]:
            return f"{name}: got {kinds[0]}, expected {kinds[1]}"
        if value.shape != got[name].shape:
            return f"{name}: got shape {tuple(got[name].shape)}, expected {tuple(value.shape)}"
        if not got[name].isfinite().all():
            return f"{name}: got numbers that are not finite, expected finite ones"
    return None


def _kind(value: Any) -> str:
    """What is in a tensor; a flow may take any precision of real numbers."""
    if not isinstance(value, torch.Tensor):
        return f"a {type(value).__name__}"
    if value.layout != torch.strided or value.is_meta or value.is_quantized:
        return "no plain tensor"
    dtype = str(value.dtype).removeprefix("torch.")
    return "real numbers" if dtype in REAL else f"numbers of type {dtype}"


def _check_device(device: str | torch.device) -> None:
    try:
        torch.Generator(device)  # which a sampler needs; fails for what holds no numbers
        torch.empty(1, device=device)  # fails without a driver
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"device: got {str(device)!r}, expected 'cpu', or 'cuda' where there is one ({reason})"
        ) from error


def _describe(content: Any) -> str:
    if isinstance(content, dict):
        return f"a dict with {', '.join(sorted(map(str, content))[:5]) or 'nothing'}"
    return f"a {type(content).__name__}"
