"""The picture of a run's curve, from what it has written for TensorBoard."""

import logging
from pathlib import Path

_NAMES = {
    "free_energy_bound": "free energy bound (nats)",
    "kl_nats": "KL(q, p) (nats)",
    "cross_entropy": "cross-entropy (nats)",
    "loss_nats": "loss (nats)",
}


def draw_loss_curve(folder: Path, monitor: str) -> None:
    """Write ``loss.png``: the monitored number in training and validation, over all sessions.

    Of a number that training does not log, such as the mixture of two divergences, it shows the
    parts that both log. Where ln Z is known, KL(q, p) of the validations stands below: it says how
    far there is to go, where bounds and cross-entropies are noise about a constant. Nothing is
    written before the first finite point.

    Args:
        folder: The run directory, which has the events.
        monitor: Name of the metric that picks the best checkpoint, ``validation/NAME``.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from rgflow.plotting.curves import curves_figure
    from rgflow.plotting.images import save_figure

    logging.getLogger("tensorboard").setLevel(
        logging.ERROR
    )  # it tells of each file and resumed step
    events = EventAccumulator(str(folder), {"scalars": 0, "images": 1, "tensors": 1})
    events.Reload()
    known = events.Tags()["scalars"]
    shown = [monitor.removeprefix("validation/")]
    if f"train/{shown[0]}" not in known:
        logged = [tag.removeprefix("train/") for tag in known if tag.startswith("train/")]
        shown = [name for name in logged if f"validation/{name}" in known] or shown
    if "validation/kl_nats" in known and "kl_nats" not in shown:
        shown.append("kl_nats")
    panels = {
        _NAMES.get(name, name.replace("_", " ")): {
            part: [(event.step, event.value) for event in events.Scalars(f"{part}/{name}")]
            for part in ("train", "validation")
            if f"{part}/{name}" in known
        }
        for name in shown
    }
    if figure := curves_figure(panels, folder.name):
        save_figure(figure, folder / "loss.png")
