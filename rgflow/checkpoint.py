"""Save and load flows: plain containers and tensors, no code.

A checkpoint is a dict with the resolved configuration under ``config`` (a plain dict, whose node
``flow`` builds the flow) and its weights under ``state_dict``, with the prefix ``flow.``. Training
adds the state of its optimizer and loops, which loading ignores. Neither Hydra nor Lightning is
needed here.
"""

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rgflow.runtime.annotations import first_misfit
from rgflow.runtime.config import build, check_target, with_trusted
from rgflow.runtime.files import check_archive, write_atomically
from rgflow.runtime.moved import present_config

if TYPE_CHECKING:
    from rgflow.flow import Flow

PREFIX = "flow."
"""What the names of a flow's weights begin with in a checkpoint."""
REAL = ("float64", "float32", "bfloat16", "float16")
MAKERS = ("rgflow.models",)
"""Modules whose functions a checkpoint may name: they build flows and do nothing else."""

CONTENT = {"config": dict[str, Any], "state_dict": dict[str, torch.Tensor]}
"""What every checkpoint has; training adds the state of its optimizer and loops."""
NODES = {"flow": dict[str, Any]} | dict.fromkeys(
    ("data", "energy", "objective", "training"), dict[str, Any] | None
)
"""The nodes of a configuration, which all name a ``_target_``; only ``flow`` has to be there."""


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint's containers and tensors, on the CPU, without running any code of it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated, damaged, or something else than an rgflow checkpoint.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"got no file at {path}, expected a checkpoint such as last.ckpt")
    expected = "expected an rgflow checkpoint with 'config' and 'state_dict'"
    try:
        check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise anything
        raise ValueError(
            f"{path}: got a truncated, damaged or foreign file, {expected}"
        ) from error
    misfit = _misfit(content)
    if misfit:
        raise ValueError(f"{path}: got {misfit}, {expected}")
    return content | {"config": present_config(content["config"])}


def load_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The resolved configuration with which a checkpoint was trained.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated or no rgflow checkpoint.
    """
    return read_checkpoint(path)["config"]


def load_flow(
    path: str | os.PathLike[str],
    device: str | torch.device = "cpu",
    trust: str | Sequence[str] = (),
) -> "Flow":
    """Build the flow of a checkpoint and load its weights, strictly.

    For a flow that was trained with an average of its weights, these are the averaged ones. The
    flow has the precision in which they are stored.

    Args:
        path: A checkpoint made by training or by `save_flow`.
        device: Where to put the flow.
        trust: Names of modules of your own, such as ``["mypackage"]``, that may be imported and
            called to build the flow. Trust no module for a file whose origin you do not know.

    Returns:
        The flow in evaluation mode.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is truncated or foreign, if its ``_target_`` is neither in
            `rgflow.models` nor trusted or makes no flow, if its weights are not finite or do not
            fit the flow that its configuration describes, or if there is no such device.
    """
    from rgflow.flow import Flow

    _check_device(device)
    content = read_checkpoint(path)
    try:
        flow = build(content["config"]["flow"], "flow", within=with_trusted(MAKERS, trust))
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


def save_flow(
    flow: "Flow",
    flow_config: dict[str, Any],
    path: str | os.PathLike[str],
    trust: str | Sequence[str] = (),
) -> None:
    """Write a flow so that `load_flow` can read it. The file is there whole or not at all.

    Args:
        flow: The flow.
        flow_config: The plain node that builds it, ``{"_target_": "rgflow.models...", ...}``.
        path: The file to write; its folder is made if need be.
        trust: Names of modules of your own, as those of `load_flow`.

    Raises:
        ValueError: If the node's target is neither in `rgflow.models` nor trusted.
    """
    check_target(flow_config.get("_target_"), "flow", with_trusted(MAKERS, trust))
    state = {PREFIX + name: value for name, value in flow.state_dict().items()}
    content = {"config": {"flow": flow_config}, "state_dict": state}
    write_atomically(path, lambda file: torch.save(content, file))


def flow_weights(content: Mapping[str, Any], part: str = "state_dict") -> dict[str, torch.Tensor]:
    """The flow's own state dict inside a part of a checkpoint."""
    state = content[part]
    return {name[len(PREFIX) :]: v for name, v in state.items() if name.startswith(PREFIX)}


def describe_misfit(expected: Mapping[str, torch.Tensor], got: Mapping[str, Any]) -> str | None:
    """Say in a few words why weights cannot be those of a flow; None if they can.

    Args:
        expected: The flow's own state dict; names, shapes and kinds of numbers are compared.
        got: The weights, which must also be finite.
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


def first_nonfinite(content: Any, name: str = "") -> str | None:
    """Says which number in nested containers is not finite; None if all are.

    >>> first_nonfinite({"lr": 0.1, "moments": [torch.ones(2), torch.tensor(torch.inf)]})
    'moments.1 with numbers that are not finite, expected finite ones'
    """
    if isinstance(content, torch.Tensor):
        is_finite = bool(content.isfinite().all())
    elif isinstance(content, Mapping | list | tuple):
        pairs = content.items() if isinstance(content, Mapping) else enumerate(content)
        found = (first_nonfinite(v, f"{name}.{k}".lstrip(".")) for k, v in pairs)
        return next((misfit for misfit in found if misfit), None)
    else:
        is_finite = not isinstance(content, float) or math.isfinite(content)
    return None if is_finite else f"{name} with numbers that are not finite, expected finite ones"


def describe_intact(*paths: str | os.PathLike[str] | None) -> str:
    """Says from which checkpoint a failed run can go on: the first that is whole and finite."""
    for path in paths:
        try:
            content = read_checkpoint(path or "")
            step = content["global_step"]
        except (OSError, ValueError, KeyError):
            continue
        if first_nonfinite(content["state_dict"]) is None:
            return f"{path} is intact and has the finite weights of step {step}"
    return "there is no checkpoint to go on from"


def _kind(value: Any) -> str:
    """What a tensor holds. Real numbers of any precision are of one kind, which a flow takes."""
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


def _misfit(content: Any) -> str | None:
    """What a file holds in place of what a checkpoint holds; None if it is one."""
    if not isinstance(content, dict) or not CONTENT.keys() <= content.keys():
        return _describe(content)
    for part, kinds in ((content, CONTENT), (content["config"], NODES)):
        for name, kind in kinds.items():
            misfit = first_misfit(part.get(name), kind)
            if misfit:
                return f"{name!r} of type {type(part.get(name)).__name__} ({misfit})"
    return None


def _describe(content: Any) -> str:
    if isinstance(content, dict):
        return f"a dict with {', '.join(sorted(map(str, content))[:5]) or 'nothing'}"
    return f"a {type(content).__name__}"
