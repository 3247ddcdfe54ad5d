"""A command whose settings Hydra composes, and which tells a user's mistake in one line."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from rgflow.runtime.command_line import USER_MISTAKES, StoppedError, fail, is_first_process
from rgflow.runtime.config import config_dir, plain_config
from rgflow.runtime.hydra_messages import told_by_hydra
from rgflow.runtime.moved import refuse_moved_settings
from rgflow.runtime.overrides import with_quoted_paths
from rgflow.runtime.package_warnings import logged_warnings
from rgflow.runtime.resumed_config import chosen_presets, composition
from rgflow.runtime.run_folder import RunFolder
from rgflow.runtime.signals import Interrupted, early_exit
from rgflow.runtime.sweep import Job, results_of_sweep

if TYPE_CHECKING:
    from omegaconf import DictConfig

FAILED = 1


def run_hydra_command(
    work: Callable[[dict[str, Any], RunFolder], None],
    load_config: Callable[[str], dict[str, Any]],
) -> None:
    """Compose the configuration from the command line, and do the work in Hydra's folder.

    Args:
        work: Called, once for each job of a sweep, with the resolved configuration as plain
            containers, and with the folder, which goes if it has not `begun` at the end. The
            configuration says under ``presets`` what was chosen.
        load_config: Reads the configuration of the checkpoint ``ckpt_path``.

    Raises:
        SystemExit: With status 1 after a user's mistake or a failed run, which one line on stderr
            explains, and with 128 plus the signal after an interruption. A job that fails does
            not stop the other ones of a sweep; the line names all that failed.
    """
    folder: RunFolder | None = None

    def clean() -> None:
        made = folder or RunFolder.of_hydra()
        if made is not None:
            made.remove_if_fresh()

    with early_exit(clean):  # before the imports, which take seconds
        import hydra
        from hydra.errors import HydraException
        from omegaconf.errors import OmegaConfBaseException

        from rgflow.runtime.hydra_folders import Refused

        # otherwise Hydra prints its errors itself, on several lines
        os.environ["HYDRA_FULL_ERROR"] = "1"
        started = False
        failures: list[str] = []

        @functools.wraps(work)
        def job(cfg: "DictConfig") -> None:
            nonlocal folder, started
            started, folder = True, RunFolder.of_hydra()
            of_sweep = Job.of_hydra()
            try:
                with (
                    _one_line_ends(folder),
                    of_sweep.recorded() if of_sweep else nullcontext(),
                    logged_warnings(),
                ):
                    config = plain_config(cfg)
                    work({"presets": chosen_presets(), **config}, folder)
            finally:
                folder = None

        try:
            refuse_moved_settings(sys.argv[1:])
            arguments = with_quoted_paths(sys.argv[1:])
            name, sys.argv[1:] = composition(arguments, load_config)
            presets = str(config_dir())
            with results_of_sweep(failures):
                hydra.main(version_base="1.3", config_path=presets, config_name=name)(job)()
        except Refused as refused:
            if not isinstance(refused.error, USER_MISTAKES):
                raise
            fail(refused.error)
        except (HydraException, OmegaConfBaseException, *USER_MISTAKES) as error:
            if started and isinstance(error, USER_MISTAKES):
                raise  # from a run under way, where it is no mistake in the command
            fail(ValueError(told_by_hydra(error)))
    if failures:
        fail(ValueError("; ".join(failures)))


@contextmanager
def _one_line_ends(folder: RunFolder) -> Iterator[None]:
    """Inside, whatever ends a run but a bug becomes one line, said by the first process alone."""
    try:
        with folder.in_use() if is_first_process() else nullcontext():
            yield
    except Interrupted as stop:
        if not is_first_process():
            # an error would make Lightning kill the first process
            raise SystemExit(0) from stop
        if not folder.begun:
            fail(stop, 128 + stop.signum)
        raise SystemExit(128 + stop.signum) from stop
    except (StoppedError, *USER_MISTAKES) as error:
        if folder.begun and not isinstance(error, StoppedError):
            raise
        if not is_first_process():
            raise SystemExit(FAILED) from error
        fail(error)
    finally:
        if is_first_process():
            folder.remove_if_fresh()
