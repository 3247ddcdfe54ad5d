"""The command line of a resumed run changes the settings of that run, not those of the presets."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rgflow.runtime.config import config_dir

PRESETS = ("experiment", "debug")
"""Groups whose options set values all over a configuration; the others fill one node."""
NAME = "resumed"
_EXPERIMENT = "${hydra.runtime.choices.experiment}"


class Composition(NamedTuple):
    """What Hydra is to compose: a configuration by its name, with these arguments."""

    name: str
    arguments: list[str]


def composition(
    arguments: Sequence[str], load_config: Callable[[str], dict[str, Any]]
) -> Composition:
    """The presets for a new run; the configuration of the checkpoint for ``ckpt_path=...``.

    Args:
        arguments: Those of the command line.
        load_config: Reads the resolved configuration of a checkpoint.

    Raises:
        ValueError: If the checkpoint is not of a training, its run was made with another preset,
            or several are to be resumed.
    """
    path = _value("ckpt_path", arguments)
    if path is None:
        return Composition("config", list(arguments))
    config = load_config(path)
    if not {"training", "trainer"} <= config.keys():
        raise ValueError(
            f"ckpt_path={path}: got the flow alone, expected a checkpoint made by training"
        )
    presets = dict(config.get("presets") or {})
    for group in PRESETS:
        given = _value(group, arguments)
        if given is not None and given != presets.setdefault(group, given):
            raise ValueError(
                f"{group}: got {given}, expected {presets[group]} or none, since "
                f"ckpt_path={path} has the settings of its run; single ones may be changed"
            )
    _register(config | {"presets": presets}, arguments)
    return Composition(NAME, [a for a in arguments if _key(a) not in PRESETS])


def chosen_presets() -> dict[str, str | None]:
    """The options of `PRESETS` in the job that Hydra is running."""
    from hydra.core.hydra_config import HydraConfig

    choices = HydraConfig.get().runtime.choices
    return {group: choices.get(group) for group in PRESETS}


def linked_settings(config: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Settings of nodes that presets copy from the top: ``training.seed`` is ``seed``.

    Returns:
        By dotted name: the name at the top and the interpolation, for settings that have the same
        value in both places.
    """
    from omegaconf import OmegaConf

    found = {}
    folder = config_dir()
    for path in folder.rglob("*.yaml"):
        node = path.relative_to(folder).parts[0]
        values = config.get(node)
        if not isinstance(values, dict):
            continue
        for key, text in OmegaConf.to_container(OmegaConf.load(path)).items():
            link = re.fullmatch(r"\$\{(?:oc\.select:)?(\w+)(?:,\w*)?\}", str(text))
            if link and link[1] in config and values.get(key, link) == config[link[1]]:
                found[f"{node}.{key}"] = (link[1], link[0])
    return found


def _register(config: dict[str, Any], arguments: Sequence[str]) -> None:
    """Store a configuration for Hydra; what is missing in it is as in a new run."""
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    base = OmegaConf.to_container(OmegaConf.load(config_dir() / "config.yaml"))
    overrides = [entry for entry in base.pop("defaults") if "override" in str(entry)]
    base["hydra"]["run"]["dir"] = base["hydra"]["run"]["dir"].replace(
        _EXPERIMENT, config["presets"].get("experiment") or NAME
    )
    for name, (_, interpolation) in linked_settings(config).items():
        node, _, key = name.partition(".")
        config[node] = config[node] | {key: interpolation}
    # an option takes the place of the whole node
    given = {_key(argument) for argument in arguments}
    chosen = [folder.name for folder in config_dir().iterdir() if folder.name in given]
    kept = {name: value for name, value in config.items() if name not in chosen}
    defaults = [*({group: None} for group in chosen), "_self_", *overrides]
    ConfigStore.instance().store(NAME, base | kept | {"ckpt_path": None, "defaults": defaults})


def _key(argument: str) -> str:
    return argument.lstrip("+").partition("=")[0]


def _value(name: str, arguments: Sequence[str]) -> str | None:
    """The value that the last of the arguments for a setting gives it."""
    given = [argument for argument in arguments if _key(argument) == name and "=" in argument]
    if not given:
        return None
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    override = OverridesParser.create().parse_override(given[-1])
    if override.is_sweep_override():
        raise ValueError(f"{name}: got a sweep, {given[-1]}, expected one value to resume a run")
    value = OmegaConf.create({name: override.value()})[name]
    return None if value is None else str(value)
