"""Train a flow: ``python -m rgflow.train [experiment=NAME] [field=value ...]``.

Everything that a run makes is in its run directory: ``checkpoints/{last,best}.ckpt``, TensorBoard
events, ``samples.png``, ``metrics.json``, ``train.log`` and the configuration in ``.hydra/``.
"""

import functools
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rgflow.checkpoint import describe_mismatch, flow_weights, read_checkpoint
from rgflow.cli import USER_MISTAKES, fail
from rgflow.config import build, config_dir

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningDataModule, Trainer
    from omegaconf import DictConfig

    from rgflow.flow import Flow
    from rgflow.training.base import FlowTraining
    from rgflow.training.rundir import RunDirectory
    from rgflow.training.stopping import LastCheckpoint

log = logging.getLogger("rgflow.train")

# Advice of Lightning that does not apply here: batches are a function of the step, in-memory data
# need no workers
_BESIDE_THE_POINT = (
    ".*does not have many workers.*",
    ".*your dataloader is not resumable.*",
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*The dirpath has changed from.*",
    ".*number of training batches .* is smaller than the logging interval.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*LeafSpec.* is deprecated.*",
    ".*when logging on epoch level in distributed setting.*",
)


def main() -> None:
    """Compose the configuration from the command line and train.

    Raises:
        SystemExit: Non-zero after a user's mistake (1, with one line on stderr), an interruption
            (128 plus the signal) or a divergence.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    # otherwise Hydra prints its errors itself, on several lines
    os.environ["HYDRA_FULL_ERROR"] = "1"
    started = False

    @functools.wraps(run)
    def task(cfg: "DictConfig") -> None:
        nonlocal started
        started = True
        run(cfg)

    try:
        presets = str(config_dir())
        hydra.main(version_base="1.3", config_path=presets, config_name="config")(task)()
    except (HydraException, OmegaConfBaseException, OSError) as error:
        if started and isinstance(error, OSError):
            raise  # from a run under way, where it is no mistake in the command
        # where Hydra looked for presets is of no use to somebody who misspelt one
        fail(ValueError(str(error).partition("Config search path")[0]))


def run(cfg: "DictConfig") -> None:
    """Train as Hydra's configuration says, in Hydra's output directory.

    Raises:
        SystemExit: See `main`.
    """
    from hydra.core.hydra_config import HydraConfig
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from rgflow.training.base import DivergedError
    from rgflow.training.rundir import RunDirectory
    from rgflow.training.stopping import Interrupted

    hydra_config = HydraConfig.get()
    is_child = int(os.environ.get("LOCAL_RANK", 0)) > 0
    directory = RunDirectory(Path(hydra_config.runtime.output_dir), {})
    mistakes = (*USER_MISTAKES, MisconfigurationException, OmegaConfBaseException)
    try:
        config = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
        _check_sweep(config, hydra_config.mode.name == "MULTIRUN")
        directory.config = config
        train(config, directory)
    except Interrupted as stop:
        # a child that ended with an error would make Lightning kill the first process
        raise SystemExit(0 if is_child else 128 + stop.signum) from stop
    except DivergedError as error:
        fail(error)
    except mistakes as error:
        if directory.training_begun:
            raise
        fail(error)
    finally:
        if not directory.training_begun and not is_child:
            directory.remove_if_fresh()


def train(config: dict[str, Any], directory: "RunDirectory") -> None:
    """Train, test, and write the results.

    Args:
        config: Resolved configuration with the nodes ``flow``, ``training``, ``trainer`` and, for
            training on data, ``data``.
        directory: Where to write.

    Raises:
        ValueError, FileNotFoundError: For a user's mistake, before training begins.
        Interrupted: After a signal, with the state saved and ``metrics.json`` written.
    """
    _quiet_lightning()
    import lightning

    from rgflow.training.stopping import LastCheckpoint

    _check_numbers(config)
    lightning.seed_everything(config["seed"], workers=True, verbose=False)
    flow = build(config["flow"], "flow")
    module = build(config["training"], "training", flow=flow)
    data_node = config.get("data") or {}
    data = build(data_node, "data") if "_target_" in data_node else None
    _check_shapes(flow, data)
    resume = _checked_resume(flow, config)
    stopping = LastCheckpoint(directory.last, config["validation_every"])
    trainer = _make_trainer(config, directory, stopping, module.monitor)
    numbers: dict[str, Any] = {"interrupted": True}
    stopping.install()
    try:
        trainer.fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
        best_score = _take_best_weights(trainer, module)
        if data is not None:
            trainer.test(module, datamodule=data, verbose=False)
        if trainer.is_global_zero:
            module.report(directory.path)
        numbers = {module.monitor.replace("/", "_"): best_score, "interrupted": False}
    finally:
        stopping.restore()
        if directory.training_begun:
            numbers = module.scores() | numbers
            numbers["images_per_second"] = _throughput(trainer)
            directory.write_metrics(trainer, module, **numbers)


def _make_trainer(
    config: dict[str, Any],
    directory: "RunDirectory",
    stopping: "LastCheckpoint",
    monitor: str,
) -> "Trainer":
    from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
    from lightning.pytorch.loggers import TensorBoardLogger

    from rgflow.training.reporting import LogLines, Throughput

    is_terminal = sys.stdout.isatty() and sys.stderr.isatty()
    best = ModelCheckpoint(
        dirpath=directory.last.parent,
        filename="best",
        monitor=monitor,
        auto_insert_metric_name=False,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [directory, Throughput(), best, stopping]
    callbacks.append(TQDMProgressBar() if is_terminal else LogLines(config["log_every"]))
    logger = TensorBoardLogger(directory.path, name="", version="")
    return build(
        config["trainer"],
        "trainer",
        logger=logger,
        callbacks=callbacks,
        default_root_dir=directory.path,
        enable_progress_bar=is_terminal,
    )


def _check_numbers(config: dict[str, Any]) -> None:
    for name, least in {"seed": 0, "max_steps": 1, "validation_every": 1, "log_every": 1}.items():
        value = config[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name}: got {value!r}, expected an integer of at least {least}")


def _check_shapes(flow: "Flow", data: "LightningDataModule | None") -> None:
    wanted = tuple(flow.event_shape)
    got = getattr(data, "event_shape", wanted)
    if got != wanted:
        raise ValueError(
            f"data: got images of shape {got}, expected {wanted} as the flow has "
            "(data.channels, data.side against flow.channels, flow.side)"
        )


def _check_sweep(config: dict[str, Any], is_sweep: bool) -> None:
    devices = config["trainer"].get("devices", 1)
    if is_sweep and devices not in (1, "1", "auto") and "SLURM_JOB_ID" not in os.environ:
        raise ValueError(
            f"got a sweep with trainer.devices={devices}, expected trainer.devices=1 "
            "(or hydra/launcher=slurm, where every process is started from outside)"
        )


def _checked_resume(flow: "Flow", config: dict[str, Any]) -> str | None:
    path = config["ckpt_path"]
    if path is None:
        return None
    content = read_checkpoint(path)
    mismatch = describe_mismatch(flow.state_dict(), flow_weights(content))
    if mismatch:
        raise ValueError(f"ckpt_path={path} holds another architecture: {mismatch}")
    if "optimizer_states" not in content:
        raise ValueError(
            f"ckpt_path={path}: got a flow alone, expected a checkpoint made by training"
        )
    done = content["global_step"]
    if done >= config["max_steps"]:
        raise ValueError(f"ckpt_path={path} is at step {done}, expected max_steps above it")
    return str(path)


def _take_best_weights(trainer: "Trainer", module: "FlowTraining") -> float | None:
    """Put the weights with the best validation into the module, if these are not the last ones.

    Returns:
        Their value of the monitored metric; None if nothing was ever validated.
    """
    best = trainer.checkpoint_callback
    if best is None or best.best_model_score is None:
        return None
    score = float(best.best_model_score)
    if score < float(trainer.callback_metrics[module.monitor]):
        log.info("testing the weights of the best validation: %s", best.best_model_path)
        module.load_state_dict(read_checkpoint(best.best_model_path)["state_dict"])
    return score


def _throughput(trainer: "Trainer") -> float | None:
    from rgflow.training.reporting import Throughput

    meters = [c for c in trainer.callbacks if isinstance(c, Throughput)]
    return meters[0].images_per_second if meters else None


def _quiet_lightning() -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _BESIDE_THE_POINT:
        warnings.filterwarnings("ignore", message)


if __name__ == "__main__":
    main()
