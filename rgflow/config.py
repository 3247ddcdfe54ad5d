"""From configuration to objects: where the presets are, and how a node with a target is built.

A node is a plain dict such as ``{"_target_": "rgflow.models.conv_flow", "side": 32, ...}``. It is
built without Hydra, so that a checkpoint opens where Hydra is not installed.
"""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

HYDRA_ONLY = ("_convert_", "_recursive_")


def config_dir() -> Path:
    """The folder of presets: inside an installed package, or beside it in a checkout.

    Raises:
        FileNotFoundError: If neither is there.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "conf", package.parent / "conf"):
        if (candidate / "config.yaml").is_file():
            return candidate
    raise FileNotFoundError(f"got no presets, expected {package / 'conf'}: reinstall rgflow")


def build(
    node: Mapping[str, Any], name: str, within: tuple[str, ...] | None = None, **extra: Any
) -> Any:
    """Call the target of a configuration node with the node's other entries as keyword arguments.

    Args:
        node: Plain dict with a dotted ``_target_`` and plain values.
        name: What the node is called in the configuration, for messages: ``flow``, ``data``, ...
        within: Modules, with all below them, that may define the target; any if None. For nodes
            of files from elsewhere: what is not there is neither imported nor called.
        extra: Further keyword arguments, objects that a configuration cannot hold.

    Returns:
        What the target returns.

    Raises:
        ValueError: If there is no such target, it is not allowed, or an argument is unknown,
            missing or text where a number is expected.
    """
    target = node.get("_target_") if isinstance(node, Mapping) else None
    if not isinstance(target, str) or "." not in target:
        raise ValueError(f"{name}: got _target_ {target!r}, expected a dotted name in a node")
    check_target(target, name, within)
    function = _locate(target, name)
    if within is not None and not _is_within(getattr(function, "__module__", None), within):
        # imported there from elsewhere, hence not meant to be called by a file
        raise ValueError(
            f"{name}: got _target_ {target!r}, expected one defined in {' or '.join(within)}"
        )
    arguments = {k: v for k, v in node.items() if k != "_target_" and k not in HYDRA_ONLY}
    _check_arguments(function, arguments | extra, name)
    return function(**arguments, **extra)


def check_target(target: Any, name: str, within: tuple[str, ...] | None) -> None:
    """Refuse, without importing anything, a target that is not inside the given modules.

    Args:
        target: Dotted name of a function or class.
        name: What the node is called, for messages.
        within: Modules, with all below them; any if None.

    Raises:
        ValueError: If the target is elsewhere.
    """
    if within is None:
        return
    if not isinstance(target, str) or not _is_within(target.rpartition(".")[0], within):
        raise ValueError(
            f"{name}: got _target_ {target!r}, expected one inside {' or '.join(within)}"
        )


def _is_within(module: Any, within: tuple[str, ...]) -> bool:
    return isinstance(module, str) and any(f"{module}.".startswith(f"{w}.") for w in within)


def _locate(target: str, name: str) -> Callable[..., Any]:
    module, _, attribute = target.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{name}: got _target_ {target!r}, which cannot be found: {error}"
        ) from error


def _check_arguments(function: Callable[..., Any], arguments: dict[str, Any], name: str) -> None:
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        known = ", ".join(inspect.signature(function).parameters)
        raise ValueError(f"{name}: {error}; expected arguments among: {known}") from error
    parameters = inspect.signature(function).parameters
    for key, value in arguments.items():
        allowed = _alternatives(parameters[key].annotation) if key in parameters else set()
        if isinstance(value, str) and allowed and allowed <= {"int", "float", "bool", "None"}:
            wanted = " or ".join(sorted(allowed)).replace("None", "null")
            raise ValueError(f"{name}.{key}: got {value!r}, expected {wanted}")


def _alternatives(annotation: Any) -> set[str]:
    """Names of the types of an annotation; empty where there is none."""
    if annotation is inspect.Parameter.empty:
        return set()
    # annotations are text in modules that postpone their evaluation
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return {part.strip() for part in text.split("|")}
