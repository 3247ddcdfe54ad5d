"""Which folders Hydra gives to runs and sweeps: each belongs to one of them alone."""

from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, flag_override

from rgflow.runtime.command_line import USER_MISTAKES, is_first_process
from rgflow.runtime.overrides import quoted
from rgflow.runtime.run_folder import claim


class Refused(BaseException):
    """A user's mistake found by a callback of Hydra, which makes warnings of what is an Exception.

    Args:
        mistake: What is to be told.
    """

    def __init__(self, mistake: Exception) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


class ClaimedFolders(Callback):
    """Claims the folder of a run or of a sweep before Hydra writes anything into it.

    A folder that the user did not name gets a number where it is taken. The folder of the run
    that is resumed is its own, and keeps its configuration in ``.hydra``.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Claim ``hydra.run.dir``; other processes of the run are told of it by the first."""
        if not is_first_process():
            return
        if is_resumed_in_place(config):
            _set(config, "hydra.output_subdir", None)
        else:
            _claim(config, "hydra.run.dir", ".hydra")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Claim ``hydra.sweep.dir``, in which every job has a folder of its own."""
        folder = _claim(config, "hydra.sweep.dir", ".jobs")
        # jobs compose their configuration anew, possibly in other processes
        _append(config, f"hydra.sweep.dir={quoted(folder)}")


def is_resumed_in_place(config: DictConfig) -> bool:
    """Whether a run goes on in the folder in which the resumed one has written."""
    checkpoint = config.get("ckpt_path")
    if checkpoint is None:
        return False
    return Path(config.hydra.run.dir).resolve() == Path(checkpoint).resolve().parent.parent


def _claim(config: DictConfig, key: str, mark: str) -> str:
    named = any(
        override.lstrip("+").startswith(f"{key}=") for override in config.hydra.overrides.hydra
    )
    try:
        folder = str(claim(Path(OmegaConf.select(config, key)), is_named=named, mark=mark))
    except USER_MISTAKES as error:
        raise Refused(error) from error
    _set(config, key, folder)
    return folder


def _set(config: DictConfig, key: str, value: Any) -> None:
    with flag_override(config.hydra, ["struct", "readonly"], [False, False]):
        OmegaConf.update(config, key, value)


def _append(config: DictConfig, override: str) -> None:
    with flag_override(config.hydra, "readonly", False):
        config.hydra.overrides.hydra.append(override)
