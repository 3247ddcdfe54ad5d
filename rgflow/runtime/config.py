"""From configuration to objects: where the presets are, and how a node with a target is built.

A node is a plain dict such as ``{"_target_": "rgflow.models.conv_flow", "side": 32, ...}``. It is
built without Hydra, so that a checkpoint opens where Hydra is not installed.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from inspect import formatannotation
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, get_type_hints

from rgflow.runtime.annotations import has_type
from rgflow.runtime.groups import setting_names, sort_into_groups
from rgflow.runtime.hydra_messages import told_by_hydra
from rgflow.runtime.moved import present_target

if TYPE_CHECKING:
    from omegaconf import DictConfig

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
        name: Name of the file, without ``.yaml``.
        overrides: Overrides as on Hydra's command line, ``group=option`` and ``field=value``.

    Raises:
        ValueError: If Hydra refuses an override, or a value is missing.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            return plain_config(compose(name, list(overrides)))
    except (HydraException, OmegaConfBaseException) as error:
        raise ValueError(told_by_hydra(error)) from error


def plain_config(cfg: "DictConfig") -> dict[str, Any]:
    """A configuration that Hydra has composed, resolved into plain containers.

    Raises:
        ValueError: If a value is missing, or refers to one that is not there.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        return OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ValueError(told_by_hydra(error)) from error


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """All settings of a configuration by their dotted names; a node that is null has none.

    >>> flat({"seed": 3, "flow": {"side": 8, "net": {"hidden": [4]}}, "data": None})
    {'seed': 3, 'flow.side': 8, 'flow.net.hidden': [4]}
    """
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif prefix or value is not None:
            found[f"{prefix}{key}"] = value
    return found


def build(
    node: Mapping[str, Any], name: str, within: Sequence[str] | None = None, **extra: Any
) -> Any:
    """Call the target of a configuration node with the node's other entries as keyword arguments.

    A target that takes its settings in groups gets each entry in the group that has it.

    Args:
        node: Plain dict with a dotted ``_target_`` and plain values.
        name: What the node is called in the configuration, for messages: ``flow``, ``data``, ...
        within: Modules, with all below them, that may define the target; any if None. They are
            given for nodes of files from elsewhere: what is not in them is neither imported nor
            called.
        extra: Further keyword arguments: objects that a configuration cannot hold.

    Returns:
        What the target returns.

    Raises:
        ValueError: If there is no such target, if it is not allowed, if an argument is unknown or
            missing or, for targets in this package, of another type than annotated, or if the
            target fails.
    """
    target = node.get("_target_") if isinstance(node, Mapping) else None
    if not isinstance(target, str) or "." not in target:
        raise ValueError(f"{name}: got _target_ {target!r}, expected a dotted name in a node")
    target = present_target(target)
    check_target(target, name, within)
    function = _locate(target, name)
    home = f"{getattr(function, '__module__', None)}."
    if within is not None and not is_inside(home, within):
        # imported there from elsewhere, hence not meant to be called by a file
        raise ValueError(
            f"{name}: got _target_ {target!r}, expected one defined in {' or '.join(within)}"
        )
    arguments = {k: v for k, v in node.items() if k != "_target_" and k not in HYDRA_ONLY}
    if arguments.keys() & extra.keys():
        raise ValueError(f"{name}: got {', '.join(arguments.keys() & extra.keys())}, which is set")
    check = partial(_check_arguments, name=name)
    arguments = sort_into_groups(function, arguments | extra, check)
    check(function, arguments)
    try:
        return function(**arguments)
    except ValueError:
        raise
    except Exception as error:
        # torch has no narrower class for a tensor that is too large
        is_of_settings = isinstance(error, RuntimeError | MemoryError | OverflowError)
        if is_inside(home, ("rgflow", "lightning")) and not is_of_settings:
            raise  # a mistake of ours, whose traceback is needed
        message = str(error).partition("\n")[0]
        raise ValueError(
            f"{name}: {target} failed with {type(error).__name__}: {message}; expected settings "
            "for which it works and which are not too large for this machine"
        ) from error


def with_trusted(ours: Sequence[str], trust: str | Sequence[str]) -> tuple[str, ...]:
    """Our modules, and those that a user trusts: a list of names, or one name.

    >>> with_trusted(["rgflow.models"], "mypackage")
    ('rgflow.models', 'mypackage')
    """
    return (*ours, trust) if isinstance(trust, str) else (*ours, *trust)


def is_inside(target: Any, modules: Sequence[str]) -> bool:
    """Whether a dotted name is of something inside one of some modules.

    >>> is_inside("rgflow.models.conv_flow", ["rgflow.models"])
    True
    >>> is_inside("rgflow.modelsx.f", ["rgflow.models"])
    False
    """
    return isinstance(target, str) and target.startswith(tuple(f"{m}." for m in modules))


def check_target(target: Any, name: str, within: Sequence[str] | None) -> None:
    """Refuse, without importing anything, a target that is not inside the given modules.

    Args:
        target: Dotted name of a function or class.
        name: What the node is called, for messages.
        within: Modules, with all below them; any if None.

    Raises:
        ValueError: If the target is elsewhere.
    """
    if within is not None and not is_inside(target, within):
        raise ValueError(
            f"{name}: got _target_ {target!r}, expected one inside {' or '.join(within)}; a "
            "module of your own has to be named in trust= (--trust)"
        )


def _locate(target: str, name: str) -> Callable[..., Any]:
    """A function or class, or another constructor such as ``rgflow.energies.Phi4.from_kappa``."""
    try:
        found, owner = map(resolve_name, (target, target.rpartition(".")[0]))
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{name}: got _target_ {target!r}, which cannot be found: {error}"
        ) from error
    except Exception as error:  # of a user's module
        raise ValueError(
            f"{name}: got _target_ {target!r}, whose import failed with "
            f"{type(error).__name__}: {error}"
        ) from error
    if not callable(found) or (isinstance(owner, type) and not inspect.ismethod(found)):
        raise ValueError(
            f"{name}: got _target_ {target!r}, which cannot be found as a function, a class or a "
            "constructor of a class"
        )
    return found


def _check_arguments(
    function: Callable[..., Any], arguments: Mapping[str, Any], name: str
) -> None:
    parameters = inspect.signature(function).parameters
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        expected = ", ".join(setting_names(function))
        raise ValueError(f"{name}: {error}; expected arguments among: {expected}") from error
    if not is_inside(f"{function.__module__}.", ("rgflow",)):
        return  # other packages' annotations are not promises
    hints = get_type_hints(function.__init__ if isinstance(function, type) else function)
    for key, value in arguments.items():
        # what an open **settings takes is for the function to check
        if key in parameters and not has_type(value, hints.get(key, Any)):
            expected = formatannotation(hints[key]).replace("collections.abc.Sequence", "list")
            raise ValueError(f"{name}.{key}: got {value!r}, expected {expected}")
