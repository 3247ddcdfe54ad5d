"""Train a flow: ``python -m rgflow.train [experiment=NAME] [field=value ...]``.

Everything that a run makes is in its run directory: ``checkpoints/{last,best}.ckpt``, TensorBoard
events, ``samples.png``, ``metrics.json``, ``train.log`` and the configuration in ``.hydra/``.
"""

import functools
import os
from typing import TYPE_CHECKING, Any

from rgflow.runtime.command_line import USER_MISTAKES, fail, is_first_process
from rgflow.runtime.config import build, config_dir
from rgflow.runtime.run_folder import RunFolder
from rgflow.runtime.signals import early_exit

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from rgflow.training.callbacks.run_directory import RunDirectory


def main() -> None:
    """Compose the configuration from the command line and train.

    Raises:
        SystemExit: Non-zero after a user's mistake (1, with one line on stderr), an interruption
            (128 plus the signal) or a divergence.
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

        # otherwise Hydra prints its errors itself, on several lines
        os.environ["HYDRA_FULL_ERROR"] = "1"
        started = False

        @functools.wraps(run)
        def task(cfg: "DictConfig") -> None:
            nonlocal started, folder
            started = True
            folder = RunFolder.of_hydra()
            try:
                run(cfg, folder)
            finally:
                folder = None

        try:
            presets = str(config_dir())
            hydra.main(version_base="1.3", config_path=presets, config_name="config")(task)()
        except (HydraException, OmegaConfBaseException, OSError) as error:
            if started and isinstance(error, OSError):
                raise  # from a run under way, where it is no mistake in the command
            # where Hydra looked for presets is of no use to somebody who misspelt one
            fail(ValueError(str(error).partition("Config search path")[0]))


def run(cfg: "DictConfig", folder: RunFolder) -> None:
    """Train as Hydra's configuration says, in Hydra's output directory.

    Args:
        cfg: The configuration.
        folder: The output directory, which goes if the run ends before training has begun.

    Raises:
        SystemExit: See `main`.
    """
    from hydra.core.hydra_config import HydraConfig
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from rgflow.training.callbacks.last_checkpoint import Interrupted
    from rgflow.training.callbacks.run_directory import RunDirectory
    from rgflow.training.config_checks import check_sweep
    from rgflow.training.flow_module import DivergedError

    directory = RunDirectory(folder, {})
    mistakes = (*USER_MISTAKES, MisconfigurationException, OmegaConfBaseException)
    try:
        config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
        check_sweep(config, HydraConfig.get().mode.name == "MULTIRUN")
        directory.config = config
        train(config, directory)
    except Interrupted as stop:
        # a child that ended with an error would make Lightning kill the first process
        if not is_first_process():
            raise SystemExit(0) from stop
        if not directory.training_begun:
            fail(stop, 128 + stop.signum)
        raise SystemExit(128 + stop.signum) from stop
    except DivergedError as error:
        fail(DivergedError(f"{error}; {directory.last} has the weights of the last finite step"))
    except mistakes as error:
        if directory.training_begun:
            raise
        if not is_first_process():  # the first one tells
            raise SystemExit(1) from error
        fail(error)
    finally:
        if is_first_process():
            folder.remove_if_fresh()


def train(config: dict[str, Any], directory: "RunDirectory") -> None:
    """Train, test, and write the results.

    Args:
        config: Resolved configuration with the nodes ``flow``, ``training``, ``trainer`` and
            ``data``, ``energy``, or neither.
        directory: Where to write.

    Raises:
        ValueError, FileNotFoundError: For a user's mistake, before training begins.
        Interrupted: After a signal, with the state saved and ``metrics.json`` written.
    """
    import lightning

    from rgflow.checkpoint import load_flow
    from rgflow.energies import as_energy
    from rgflow.models.grow import grow
    from rgflow.runtime.allocator import keep_freed_memory
    from rgflow.training import config_checks as checks
    from rgflow.training.callbacks.last_checkpoint import Interrupted, LastCheckpoint
    from rgflow.training.flow_module import DivergedError
    from rgflow.training.resume_checks import checked_resume, restoring
    from rgflow.training.trainer import make_trainer, quiet_lightning, take_best_weights

    quiet_lightning()
    keep_freed_memory()
    checks.check_numbers(config)
    checks.check_hardware(config)
    lightning.seed_everything(config["seed"], workers=True, verbose=False)
    flow = build(config["flow"], "flow")
    extra = {}
    if config.get("energy"):
        extra["energy"] = as_energy(build(config["energy"], "energy"))
    module = build(config["training"], "training", flow=flow, **extra)
    if config.get("grow_from"):
        grow(flow, load_flow(config["grow_from"]))
    data_node = config.get("data") or {}
    data = build(data_node, "data") if "_target_" in data_node else None
    checks.check_shapes(flow, data)
    resume = checked_resume(flow, config)
    stopping = LastCheckpoint(directory.last, config["validation_every"])
    trainer = make_trainer(config, directory, stopping, module.monitor)
    status = "failed"
    numbers: dict[str, Any] = {}
    stopping.install()
    try:
        if data is not None and trainer.world_size > 1 and is_first_process():
            # find out about missing or bad files before the other processes start
            data.prepare_data()
            data.setup("fit")
            checks.check_ranks(data, trainer.world_size)
        with restoring(resume, directory):
            trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
        best_score = take_best_weights(trainer, module)
        with directory.stopwatch.reporting():
            if data is not None:
                trainer.test(module, datamodule=data, verbose=False)
            if trainer.is_global_zero:
                module.to(trainer.strategy.root_device)  # Lightning has moved it to the CPU
                module.report(directory.path)
        numbers = {module.monitor.replace("/", "_"): best_score}
        status = "finished"
    except Interrupted:
        status = "interrupted"
        raise
    except DivergedError:
        status = "diverged"
        raise
    finally:
        if directory.training_begun:
            numbers |= {"status": status, "interrupted": status == "interrupted"}
            directory.write_metrics(trainer, module, **(module.scores() | numbers))
        stopping.restore()


if __name__ == "__main__":
    main()
