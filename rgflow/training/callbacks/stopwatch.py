"""How long a training has taken, over all the sessions in which it was resumed."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from lightning.pytorch import Callback, LightningModule, Trainer


class Stopwatch(Callback):
    """Wall times of a run in seconds, carried on in its checkpoints.

    A session that resumes from a checkpoint starts with the times that are in it: what an earlier
    session did after it wrote that checkpoint is not counted.

    >>> watch = Stopwatch()
    >>> with watch.reporting():
    ...     pass
    >>> watch.training_seconds, 0 < watch.report_seconds < watch.seconds
    (0.0, True)
    """

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._training_since: float | None = None
        self._training = 0.0
        self._report = 0.0

    @property
    def seconds(self) -> float:
        """Time of everything since this object was made."""
        return time.perf_counter() - self._begin

    @property
    def training_seconds(self) -> float:
        """Time of all steps and validations, and of drawing the states that are trained on.

        Set-up and whatever was `reporting` do not count.
        """
        since = self._training_since
        return self._training + (0.0 if since is None else time.perf_counter() - since)

    @property
    def report_seconds(self) -> float:
        """Time of whatever was `reporting`."""
        return self._report

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Counts the time inside as time of the report, also in the middle of training."""
        is_training = self._training_since is not None
        self._stop()
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._report += time.perf_counter() - begin
            if is_training:
                self._training_since = time.perf_counter()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the time of training, before a module draws states to train on."""
        self._training_since = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the time of training."""
        self._stop()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Stop the time of training."""
        self._stop()

    def state_dict(self) -> dict[str, float]:
        """All times so far."""
        return {
            "seconds": self.seconds,
            "training_seconds": self.training_seconds,
            "report_seconds": self.report_seconds,
        }

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Add the times of earlier sessions."""
        self._begin -= state_dict["seconds"]
        self._training += state_dict["training_seconds"]
        self._report += state_dict["report_seconds"]

    def _stop(self) -> None:
        self._training = self.training_seconds
        self._training_since = None


def reporting(trainer: Trainer) -> AbstractContextManager[None]:
    """`Stopwatch.reporting` of the trainer's stopwatch, if it has one."""
    for callback in trainer.callbacks:
        if isinstance(callback, Stopwatch):
            return callback.reporting()
    return nullcontext()
