"""The picture of a run's curve, from what it has written for TensorBoard."""

import logging
from math import isfinite
from pathlib import Path


def draw_loss_curve(folder: Path, monitor: str) -> None:
    """Write ``loss.png``: the monitored number in training and validation, over all sessions.

    Nothing is written before the first finite point.

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
    name = monitor.partition("/")[2]
    known = events.Tags()["scalars"]
    curves = {
        part: [(event.step, event.value) for event in events.Scalars(f"{part}/{name}")]
        for part in ("train", "validation")
        if f"{part}/{name}" in known
    }
    if any(isfinite(value) for points in curves.values() for _, value in points):
        label = name.replace("_", " ")
        save_figure(curves_figure(curves, label, folder.name), folder / "loss.png")
