"""Train a flow: ``python -m rgflow.train [experiment=NAME] [field=value ...]``.

Everything that a run makes is in its run directory: ``checkpoints/{last,best}.ckpt``, TensorBoard
events, ``samples.png`` or ``observables.png``, ``loss.png``, ``metrics.json``, ``train.log`` and
the configuration in ``.hydra/``.
"""

import logging
from typing import Any

from rgflow.runtime.config import build
from rgflow.runtime.hydra_command import run_hydra_command
from rgflow.runtime.run_folder import RunFolder
from rgflow.runtime.signals import handling_signals

log = logging.getLogger(__name__)


def train(config: dict[str, Any], folder: RunFolder) -> None:
    """Build what the configuration describes, train it, test it, and write the results.

    Args:
        config: Resolved configuration with the nodes ``flow``, ``training``, ``trainer``, mostly
            ``objective``, and ``data``, ``energy``, or neither.
        folder: Where to write.

    Raises:
        ValueError, FileNotFoundError: For a user's mistake, before training begins.
        DivergedError: If too many steps in a row had a loss that was not finite.
        Interrupted: After a signal, with the state saved and ``metrics.json`` written.
    """
    # torch and Lightning take seconds, in which signals are heeded already
    import lightning

    from rgflow.checkpoint import load_flow
    from rgflow.energies import as_energy
    from rgflow.models.grow import grow
    from rgflow.runtime.allocator import keep_freed_memory
    from rgflow.training.callbacks.last_checkpoint import LastCheckpoint
    from rgflow.training.callbacks.run_directory import RunDirectory
    from rgflow.training.config_checks import check_data, check_settings, check_shapes
    from rgflow.training.resume import Resume, telling_mistakes
    from rgflow.training.trainer import make_trainer, quiet_lightning, take_best_weights

    quiet_lightning()
    keep_freed_memory()
    directory = RunDirectory(folder, config)
    check_settings(config)
    lightning.seed_everything(config["seed"], workers=True, verbose=False)

    parts = {"flow": build(config["flow"], "flow")}
    if config.get("energy"):
        parts["energy"] = as_energy(build(config["energy"], "energy"))
    if config.get("objective"):
        parts["objective"] = build(config["objective"], "objective")
    module = build(config["training"], "training", **parts)
    if config["grow_from"] and config["ckpt_path"] is None:
        # the small flow may come from the module that the large one comes from
        origin = config["flow"]["_target_"].rpartition(".")[0]
        smaller = load_flow(config["grow_from"], trust=[origin])
        grow(module.flow, smaller)
        side, large = smaller.event_shape[-1], module.flow.event_shape[-1]
        log.info("grown from %s, side %d to %d", config["grow_from"], side, large)
    has_data = "_target_" in (config.get("data") or {})
    data = build(config["data"], "data") if has_data else None
    check_shapes(module.flow, data)

    with telling_mistakes(config["ckpt_path"], folder):
        resume = Resume(module.flow, config)
    stopping = LastCheckpoint(directory.last, config["validation_every"])
    trainer = make_trainer(config, directory, resume, stopping, module.monitor)
    with handling_signals(stopping.stop), directory.metrics(trainer, module):
        check_data(data, trainer.world_size)
        with telling_mistakes(resume.path, folder):
            trainer.fit(module, datamodule=data, ckpt_path=resume.path, weights_only=True)
        take_best_weights(trainer, module)
        with directory.stopwatch.reporting():
            if data is not None:
                trainer.test(module, datamodule=data, verbose=False)
            if trainer.is_global_zero:
                module.to(trainer.strategy.root_device)  # Lightning has moved it to the CPU
                module.report(directory.path)


def main() -> None:
    """Compose the configuration from the command line and train.

    Raises:
        SystemExit: After anything but success, with a status that is not zero; see
            `run_hydra_command`.
    """
    run_hydra_command(train, _config_of)


def _config_of(checkpoint: str) -> dict[str, Any]:
    from rgflow.checkpoint import load_config

    return load_config(checkpoint)


if __name__ == "__main__":
    main()
