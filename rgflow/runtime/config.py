"""From configuration to objects: where the presets are, and how a node with a target is built.

A node is a plain dict such as ``{"_target_": "rgflow.models.conv_flow", "side": 32, ...}``. It is
built without Hydra, so that a checkpoint opens where Hydra is not installed.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from rgflow.runtime.groups import setting_names, sort_into_groups
from rgflow.runtime.moved import present_target

HYDRA_ONLY = ("_convert_", "_recursive_")


def config_dir() -> Path:
    """The folder of presets: inside an installed package, or beside it in a checkout.

    Raises:
        FileNotFoundError: If neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for candidate in (package / "conf", package.parent / "conf"):
        if (candidate / "config.yaml").is_file():
            return candidate
    raise FileNotFoundError(f"got no presets, expected {package / 'conf'}: reinstall rgflow")


def compose_preset(name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A configuration of the presets' folder as a plain dict, resolved, with Hydra's overrides.

    Args:
        name: Of the file, without ``.yaml``.
        overrides: As on Hydra's command line, ``group=option`` and ``field=value``.

    Raises:
        ValueError: If Hydra refuses an override, or a value is missing.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            cfg = compose(name, list(overrides))
        return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        # where Hydra looked for presets is of no use to somebody who misspelt one
        raise ValueError(str(error).partition("Config search path")[0]) from error


def build(
    node: Mapping[str, Any], name: str, within: tuple[str, ...] | None = None, **extra: Any
) -> Any:
    """Call the target of a configuration node with the node's other entries as keyword arguments.

    A target that takes its settings in groups gets each entry in the group that has it.

    Args:
        node: Plain dict with a dotted ``_target_`` and plain values.
        name: What the node is called in the configuration, for messages: ``flow``, ``data``, ...
        within: Modules, with all below them, that may define the target; any if None. For nodes
            of files from elsewhere: what is not there is neither imported nor called.
        extra: Further keyword arguments, objects that a configuration cannot hold.

    Returns:
        What the target returns.

    Raises:
        ValueError: If there is no such target, it is not allowed, an argument is unknown or
            missing, or, for targets in this package, of another type than annotated; if there is
            not enough memory for it; or if the target is a user's and raises anything.
    """
    target = node.get("_target_") if isinstance(node, Mapping) else None
    if not isinstance(target, str) or "." not in target:
        raise ValueError(f"{name}: got _target_ {target!r}, expected a dotted name in a node")
    target = present_target(target)
    check_target(target, name, within)
    function = _locate(target, name)
    if within is not None and not _is_within(getattr(function, "__module__", None), within):
        # imported there from elsewhere, hence not meant to be called by a file
        raise ValueError(
            f"{name}: got _target_ {target!r}, expected one defined in {' or '.join(within)}"
        )
    arguments = {k: v for k, v in node.items() if k != "_target_" and k not in HYDRA_ONLY}
    if arguments.keys() & extra.keys():
        raise ValueError(f"{name}: got {', '.join(arguments.keys() & extra.keys())}, which is set")
    check = partial(_check_arguments, name=name)
    try:
        arguments = sort_into_groups(function, arguments | extra, check)
        check(function, arguments)
        return function(**arguments)
    except ValueError:
        raise
    except Exception as error:
        message = str(error).partition("\n")[0]
        too_large = isinstance(error, MemoryError | OverflowError)
        if too_large or (
            isinstance(error, RuntimeError) and re.search("memory|overflow", message)
        ):
            message = f"got settings too large for this machine: {message}"
        elif _is_within(function.__module__, ("rgflow", "lightning")):
            raise
        else:
            message = f"{target} failed with {type(error).__name__}: {message}"
        raise ValueError(f"{name}: {message}") from error


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
    except (ImportError, AttributeError, ValueError) as error:
        method = _class_method(module, attribute)
        if method is None:
            raise ValueError(
                f"{name}: got _target_ {target!r}, which cannot be found: {error}"
            ) from error
        return method
    except Exception as error:  # of a user's module
        raise ValueError(
            f"{name}: got _target_ {target!r}, whose import failed with "
            f"{type(error).__name__}: {error}"
        ) from error


def _class_method(path: str, attribute: str) -> Callable[..., Any] | None:
    """Another constructor of a class, such as ``rgflow.energies.Phi4.from_kappa``."""
    module, _, owner = path.rpartition(".")
    try:
        method = getattr(getattr(import_module(module), owner), attribute)
    except (ImportError, AttributeError, ValueError):
        return None
    return method if inspect.ismethod(method) else None


def _check_arguments(function: Callable[..., Any], arguments: dict[str, Any], name: str) -> None:
    parameters = inspect.signature(function).parameters
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise ValueError(
            f"{name}: {error}; expected arguments among: {', '.join(setting_names(function))}"
        ) from error
    if not _is_within(function.__module__, ("rgflow",)):
        return  # other packages' annotations are not promises
    hints = get_type_hints(function.__init__ if isinstance(function, type) else function)
    for key, value in arguments.items():
        # what an open **settings takes is for the function to check
        if key in parameters and not _fits(value, hints.get(key, Any)):
            raise ValueError(f"{name}.{key}: got {value!r}, expected {_in_words(hints[key])}")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type, of which an int is a float and a bool is neither.

    >>> _fits([3, 1.5], Sequence[float]), _fits("31", Sequence[str]), _fits(True, int | None)
    (True, False, False)
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return any(type(value) is type(part) and value == part for part in parts)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is tuple and (len(parts) != 2 or parts[1] is not Ellipsis):
        is_tuple = isinstance(value, list | tuple) and len(value) == len(parts)
        return is_tuple and all(map(_fits, value, parts))
    if origin in (Sequence, list, tuple):
        return isinstance(value, list | tuple) and all(_fits(item, parts[0]) for item in value)
    if hint is None or hint is NoneType:
        return value is None
    if hint in (int, float):
        number = int | float if hint is float else int
        return isinstance(value, number) and not isinstance(value, bool)
    checked = origin or hint
    return checked is Any or not isinstance(checked, type) or isinstance(value, checked)


def _in_words(hint: Any) -> str:
    """An annotation as somebody reads it who writes YAML."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(map(str, parts))
    if origin in (Union, UnionType):
        return " or ".join(map(_in_words, parts))
    if origin in (Sequence, list, tuple):
        items = dict.fromkeys(_in_words(part) for part in parts if part is not Ellipsis)
        return f"a list of {' or '.join(items)}"
    if hint is None or hint is NoneType:
        return "null"
    return getattr(hint, "__name__", str(hint))
