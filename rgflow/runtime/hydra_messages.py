"""Errors of Hydra in one line that says what would be right."""

import difflib
import shlex
from collections.abc import Iterable

from rgflow.runtime.overrides import quoted


def told_by_hydra(error: Exception) -> str:
    """The message of an error of Hydra or OmegaConf, in a line.

    A name that is not there comes with the nearest one that is; a value that cannot be read, with
    the quotes that it needs; a value that is missing, with the way to give it. Hydra's list of the
    folders in which it looked for presets is left out: it is of no use to somebody who misspelt
    a name.
    """
    from hydra.errors import MissingConfigException, OverrideParseException
    from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue

    message = str(error).partition("Config search path")[0]
    if isinstance(error, OverrideParseException):
        name, equals, value = error.override.partition("=")
        if not equals:
            return f"got {error.override}, expected a setting such as {name}=VALUE"
        right = shlex.quote(f"{name}={quoted(value)}")
        return (
            f"got {error.override}, expected quotes around a value with special characters, as "
            f"in {right}, or a list such as {name}=[1,2]"
        )
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        option = error.missing_cfg_file.rpartition("/")[2]
        return f"{message}{_nearest(option, error.options)}"
    missing = error.__cause__ if isinstance(error.__cause__, ConfigKeyError) else None
    if isinstance(error.__cause__, ConfigAttributeError):
        missing = error.__cause__
    if missing is not None and missing.parent_node is not None:
        known = [key for key in missing.parent_node if not key.startswith("_")]
        if not known:
            return (
                f"got no setting {missing.full_key}, expected +{missing.full_key}= for a new one"
            )
        return (
            f"got no setting {missing.full_key}, expected one of {', '.join(sorted(known))}"
            f"{_nearest(str(missing.key), known)}; a new one is given as +{missing.full_key}="
        )
    if isinstance(error, MissingMandatoryValue):
        example = "mymodule.MyClass" if error.key == "_target_" else "VALUE"
        return f"got no {error.full_key}, expected it as in {error.full_key}={example}"
    return message


def _nearest(name: str, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {found[0]}?" if found else ""
