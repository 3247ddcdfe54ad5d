"""Which folders Hydra gives to runs and sweeps: each belongs to one of them alone."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, flag_override

from rgflow.runtime.command_line import is_first_process
from rgflow.runtime.overrides import quoted
from rgflow.runtime.run_folder import claim
from rgflow.runtime.sweep import RECORDS, running

LONGEST_VALUE = 40


class Refused(BaseException):
    """An error in a callback of Hydra, which makes a warning of whatever is an `Exception`.

    Args:
        error: The error.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _refusing(hook: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(hook)
    def refusing(*args: Any, **kwargs: Any) -> None:
        try:
            hook(*args, **kwargs)
        except Exception as error:
            raise Refused(error) from error

    return refusing


class ClaimedFolders(Callback):
    """Claims the folder of a run or of a sweep before Hydra writes anything into it.

    A folder that the user did not name gets a number where it is taken. The folder of the run
    that is resumed is its own, and keeps its configuration in ``.hydra``.
    """

    @_refusing
    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Claim ``hydra.run.dir``; other processes of the run are told of it by the first."""
        if not is_first_process():
            return
        if is_resumed_in_place(config):
            _set(config, "hydra.output_subdir", None)
        else:
            _claim(config, "hydra.run.dir", ".hydra")

    @_refusing
    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Claim ``hydra.sweep.dir``, in which every job has a folder named by what is swept."""
        folder = _claim(config, "hydra.sweep.dir", RECORDS)
        running.set(Path(folder))
        # jobs compose their configuration anew, possibly in other processes
        _append(config, f"hydra.sweep.dir={quoted(folder)}")
        texts = OmegaConf.to_container(config.hydra.overrides.task)
        given = OverridesParser.create().parse_overrides(texts)
        unnamed = [override.key_or_group for override in given if not _fits_in_a_name(override)]
        if _is_given(config, "hydra.sweep.subdir") or len(unnamed) == len(given):
            return
        names = ",".join(map(quoted, unnamed))
        _append(config, f"hydra.job.config.override_dirname.exclude_keys=[{names}]")
        name = "${hydra.job.num}_${hydra.job.override_dirname}"
        _append(config, f'hydra.sweep.subdir="{name}"')


def is_resumed_in_place(config: DictConfig) -> bool:
    """Whether a run goes on in the folder in which the resumed one has written."""
    checkpoint = config.get("ckpt_path")
    if checkpoint is None:
        return False
    return Path(config.hydra.run.dir).resolve() == Path(checkpoint).resolve().parent.parent


def _claim(config: DictConfig, key: str, mark: str) -> str:
    path = Path(OmegaConf.select(config, key))
    folder = str(claim(path, is_named=_is_given(config, key), mark=mark))
    _set(config, key, folder)
    return folder


def _is_given(config: DictConfig, key: str) -> bool:
    overrides = OmegaConf.to_container(config.hydra.overrides.hydra)  # may hold interpolations
    return any(text.lstrip("+").startswith(f"{key}=") for text in overrides)


def _fits_in_a_name(override: Override) -> bool:
    """Whether it is swept, over values that can be part of the name of a folder."""
    if not override.is_sweep_override():
        return False
    if not override.is_discrete_sweep():
        return True
    values = list(override.sweep_string_iterator())
    return max(map(len, values)) <= LONGEST_VALUE and not any("/" in value for value in values)


def _set(config: DictConfig, key: str, value: Any) -> None:
    with flag_override(config.hydra, ["struct", "readonly"], [False, False]):
        OmegaConf.update(config, key, value)


def _append(config: DictConfig, override: str) -> None:
    with flag_override(config.hydra, "readonly", False):
        config.hydra.overrides.hydra.append(override)
