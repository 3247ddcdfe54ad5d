"""Training goes on if a picture of the flow beside Monte Carlo cannot be drawn."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_run import TINY_ENERGY, metrics, train

from rgflow.training.callbacks import field_pictures
from rgflow.training.energy import EnergyModule

RARE = """
class Rare:
    def __init__(self, side, bound):
        self.event_shape = (1, side, side)
        self.bound = bound

    def energy(self, x):
        outside = (x[:, 0, 0, 0] > self.bound).float()
        return 0.5 * x.square().sum((1, 2, 3)) + outside / (1 - outside)
"""


@pytest.mark.parametrize("bound", [3.0, 50.0], ids=["one infinite weight", "none"])
def test_a_weight_that_is_not_finite_costs_the_picture_and_not_the_run(
    bound, tmp_path, monkeypatch
):
    (tmp_path / f"rare{bound:.0f}.py").write_text(RARE)
    monkeypatch.syspath_prepend(str(tmp_path))
    drawn = []
    original = field_pictures.draw_weighted

    def draw(*args, **kwargs):
        drawn.append(original(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(field_pictures, "draw_weighted", draw)
    monkeypatch.setattr(EnergyModule, "report", lambda self, directory: None)
    energy = ["experiment=energy", f"energy._target_=rare{bound:.0f}.Rare", "+energy.side=4"]
    energy += [f"+energy.bound={bound}", "flow.side=4", "training.reference_states=0"]
    assert train(*TINY_ENERGY, *energy, f"hydra.run.dir={tmp_path}/run", tiny=False) == 0
    assert metrics(tmp_path / "run")["status"] == "finished"
    (weighted,) = drawn  # one validation
    bad = int((~weighted.log_weights.isfinite()).sum())
    is_whole = bound > 10
    assert bad == 0 if is_whole else 0 < bad < 20  # of 2000
    warned = "no picture of the flow" in (tmp_path / "run/train.log").read_text()
    images = EventAccumulator(str(tmp_path / "run")).Reload().Tags()["images"]
    assert (warned, "validation_pictures/observables" in images) == (not is_whole, is_whole)
