"""``best.ckpt``, which a run that resumes elsewhere takes along."""

import logging
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from rgflow.checkpoint import read_checkpoint
from rgflow.runtime.files import write_atomically

log = logging.getLogger(__name__)


class BestCheckpoint(ModelCheckpoint):
    """Keeps the state with the smallest value of a metric, over all sessions of a run.

    A resumed run goes on with the best state so far, whose file is copied if the run continues in
    another folder. The file is looked for where it was written and beside the checkpoint that is
    resumed, and its state must not be of a later step; if it is not found, a warning says that the
    best state is forgotten.

    Where the metric has another meaning than before, the best state is forgotten as well; a
    ``best.ckpt`` in the folder of this run gets the name ``best_until_step_N.ckpt``.

    Args:
        folder: Folder of ``best.ckpt``.
        monitor: Name of the metric.
        resumed: The checkpoint from which this run goes on, if there is one.
        remeasured: The settings that have given the metric another meaning.
    """

    def __init__(
        self,
        folder: Path,
        monitor: str,
        resumed: str | None = None,
        remeasured: Sequence[str] = (),
    ) -> None:
        super().__init__(
            dirpath=folder,
            filename="best",
            monitor=monitor,
            auto_insert_metric_name=False,
            enable_version_counter=False,
        )
        self._resumed = resumed
        self._remeasured = remeasured
        self._step = 0

    @property
    def score(self) -> float | None:
        """The smallest value so far; None if no validation gave a finite one."""
        score = math.nan if self.best_model_score is None else float(self.best_model_score)
        return score if math.isfinite(score) else None

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Note the step from which the run goes on; put aside what cannot be compared."""
        self._step = checkpoint["global_step"]
        if self._remeasured and trainer.is_global_zero:
            log.warning(
                "the best score so far is forgotten, since %s can change what %s means",
                " and ".join(self._remeasured),
                self.monitor,
            )
            former = Path(self.dirpath) / "best.ckpt"
            if former.is_file():
                former.rename(former.with_stem(f"best_until_step_{self._step}"))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best state of earlier sessions."""
        if self._remeasured:
            return
        known = state_dict["best_model_score"]
        places = [Path(p) for p in (state_dict["best_model_path"],) if p]
        if self._resumed is not None:
            places.append(Path(self._resumed).with_name("best.ckpt"))
        found = ((place, self._score(place)) for place in places)
        # after a sudden end the file may be of the validation that the checkpoint just missed
        limit = math.inf if known is None else float(known)
        best = next((pair for pair in found if pair[1] is not None and pair[1] <= limit), None)
        if best is None:
            if known is not None:
                log.warning(
                    "the best state so far, of %s %.4g, is not in %s: it is forgotten",
                    self.monitor,
                    limit,
                    " or ".join(map(str, places)),
                )
            return
        source, score = best
        here = Path(self.dirpath) / "best.ckpt"
        _copy(source, here)
        paths = {"best_model_path": str(here), "kth_best_model_path": str(here)}
        scores = {"best_model_score": score, "best_k_models": {str(here): score}}
        scores |= {"kth_value": score, "dirpath": self.dirpath}
        super().load_state_dict(state_dict | paths | scores)

    def _score(self, path: Path) -> Tensor | None:
        """The best score in a checkpoint; None if this run cannot have written it."""
        try:
            content = read_checkpoint(path)
            score = content["callbacks"][self.state_key]["best_model_score"]
            return score if content["global_step"] <= self._step else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


@rank_zero_only
def _copy(source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        return
    with open(source, "rb") as file:
        write_atomically(target, lambda copy: shutil.copyfileobj(file, copy))
