"""A user's own flow, data module, energy and objective: train, resume, evaluate and load again."""

import json
import math
import sys

import pytest
from script_calls import call_script
from tiny_run import checkpoint, metrics, train

import rgflow
from rgflow.checkpoint import save_flow

PACKAGE = r'''
import lightning
import torch
from torch.utils.data import DataLoader

from rgflow import Flow
from rgflow.bijectors import Bijector, Chain, PixelLogit
from rgflow.objectives import Loss, Objective
from rgflow.priors import Gaussian


class Stretch(Bijector):
    def __init__(self, event_shape):
        super().__init__(event_shape)
        self.log_scale = torch.nn.Parameter(torch.zeros(event_shape))

    def _forward(self, x):
        return x * self.log_scale.exp(), self.log_scale.sum().expand(len(x))

    def _inverse(self, z):
        return z * (-self.log_scale).exp(), -self.log_scale.sum().expand(len(z))


def my_flow(side: int, channels: int = 1, pixels: bool = False):
    shape = (channels, side, side)
    parts = [PixelLogit(shape)] if pixels else []
    return Flow(Chain([*parts, Stretch(shape)]), Gaussian(shape))


class Springs:
    def __init__(self, side: int, stiffness: float = 4.0):
        self.event_shape, self.stiffness = (1, side, side), stiffness

    def energy(self, x):
        return self.stiffness * x.square().sum((1, 2, 3)) / 2


class Noise(lightning.LightningDataModule):
    def __init__(self, side: int, channels: int = 1):
        super().__init__()
        self.event_shape = (channels, side, side)

    def images(self, split):
        generator = torch.Generator().manual_seed(len(split))
        shape = (24, *self.event_shape)
        return torch.randint(100, 156, shape, generator=generator, dtype=torch.uint8)

    def train_dataloader(self):
        return DataLoader(self.images("train"), batch_size=8)

    def val_dataloader(self):
        return DataLoader(self.images("validation"), batch_size=8)

    def test_dataloader(self):
        return DataLoader(self.images("test"), batch_size=8)


class LogVariance(Objective):
    """The example of `rgflow.objectives`."""

    monitor = "free_energy_bound"

    def loss(self, flow, energy, batch):
        x = flow.sample(batch.size, generator=batch.generator).detach()
        variance = (flow(x) + energy.energy(x)).var()
        return Loss(variance, {"log_variance": variance.detach()})


class LargestError(Objective):
    """For images, with a number of its own to pick the best checkpoint."""

    monitor = "squared_bits"
    needs_states = True

    def loss(self, flow, energy, batch):
        nats = -flow(batch.states())
        return Loss(nats.logsumexp(0), {"largest": nats.detach().max()})

    def monitored(self, numbers):
        return numbers["bits_per_dim"] ** 2


class Lost(LogVariance):
    monitor = "nothing_of_a_validation"
'''
FIELDS = """
# @package _global_
defaults:
  - override /data: null
  - override /energy: user
  - override /flow: user
  - override /training: energy

flow: {_target_: mypackage.my_flow, side: 4}
energy: {_target_: mypackage.Springs, side: 4}
objective: {_target_: mypackage.LogVariance}
training: {batch_size: 64, eval_samples: 64, report_samples: 256, reference_states: 0, lr: 0.1,
           warmup_steps: 1, z2: false, translations: false, ema_decay: null}
trainer: {precision: 32-true}
max_steps: 60
validation_every: 30
"""
IMAGES = """
# @package _global_
defaults:
  - override /data: user
  - override /flow: user

flow: {_target_: mypackage.my_flow, side: 8, pixels: true}
data: {_target_: mypackage.Noise, side: 8}
objective: {_target_: mypackage.LargestError}
training: {lr: 0.1, warmup_steps: 1, ema_decay: null, pictures: 4}
max_steps: 20
validation_every: 10
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The user's package, with presets in it, in the current folder."""
    presets = tmp_path / "mypackage/conf/experiment"
    presets.mkdir(parents=True)
    (tmp_path / "mypackage/__init__.py").write_text(PACKAGE)
    (presets / "my_fields.yaml").write_text(FIELDS)
    (presets / "my_images.yaml").write_text(IMAGES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("mypackage", None)


def run(folder, preset, *overrides):
    where = ["--config-dir=mypackage/conf", f"hydra.run.dir={folder}", f"experiment={preset}"]
    return train(*where, *overrides, tiny=False)


def forget(monkeypatch):
    """As in a new process, which has not imported the package yet."""
    monkeypatch.delitem(sys.modules, "mypackage")


@pytest.mark.usefixtures("small_figures")
def test_a_flow_an_energy_and_an_objective(package, monkeypatch, capsys):
    assert run("run", "my_fields") == 0
    last = package / "run/checkpoints/last.ckpt"
    forget(monkeypatch)
    with pytest.raises(ValueError, match=r"mypackage.my_flow', expected .*trust"):
        rgflow.load_flow(last)
    assert "mypackage" not in sys.modules
    flow = rgflow.load_flow(last, trust="mypackage")
    (log_scale,) = flow.parameters()
    assert (log_scale - math.log(2)).abs().max() < 0.1  # the springs have the width 1/2
    forget(monkeypatch)
    count = ["--samples", 300, "--no-reference"]
    capsys.readouterr()
    assert call_script("evaluate", last, *count) == 1
    assert "--trust" in capsys.readouterr().err
    trust = ["--trust", "mypackage"]
    assert call_script("evaluate", last, *count, *trust, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["energy"]["name"] == "Springs"
    assert call_script("sample", last, "--count", 4, "--out", "x.png", *trust) == 0
    assert call_script("simulate", "--flow", last, "--chains", 4, "--states", 8, *trust) == 0


def test_a_flow_a_data_module_and_an_objective(package, monkeypatch, capsys):
    assert run("run", "my_images") == 0
    found = metrics(package / "run")
    last, best = (package / f"run/checkpoints/{name}.ckpt" for name in ("last", "best"))
    assert found["validation_squared_bits"] == pytest.approx(found["validation_bits_per_dim"] ** 2)
    forget(monkeypatch)
    capsys.readouterr()
    assert call_script("evaluate", best) == 1
    assert "--trust" in capsys.readouterr().err
    assert call_script("evaluate", best, "--trust", "mypackage", "--json", "-") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["images"] == 24
    assert report["bits_per_dim"] == pytest.approx(found["bits_per_dim"], abs=0.02)  # other noise
    assert run("more", "my_images", f"ckpt_path={last}", "max_steps=25") == 0
    assert checkpoint(package / "more")["global_step"] == 25


@pytest.mark.usefixtures("small_figures")
def test_the_parts_are_named_on_the_command_line_as_well(package):
    own = ["flow=user", "flow._target_=mypackage.my_flow", "+flow.side=8", "+flow.pixels=true"]
    own += ["data=user", "data._target_=mypackage.Noise", "+data.side=8"]
    assert train(*own, "max_steps=2", f"hydra.run.dir={package}/images", tiny=False) == 0
    own = ["experiment=energy", "energy._target_=mypackage.Springs", "+energy.side=4"]
    own += ["flow=user", "flow._target_=mypackage.my_flow", "+flow.side=4", "~flow.symmetry"]
    own += ["objective._target_=mypackage.LogVariance", "training.reference_states=0"]
    quick = ["debug=fast", f"hydra.run.dir={package}/fields"]
    assert train(*own, *quick, tiny=False) == 0


def test_a_saved_flow_needs_trust_on_both_ways(package):
    from mypackage import my_flow

    node = {"_target_": "mypackage.my_flow", "side": 4}
    with pytest.raises(ValueError, match="trust"):
        save_flow(my_flow(4), node, package / "flow.ckpt")
    save_flow(my_flow(4), node, package / "flow.ckpt", trust=["mypackage"])
    assert rgflow.load_flow(package / "flow.ckpt", trust=["mypackage"]).event_shape == (1, 4, 4)
    with pytest.raises(ValueError, match=r"inside rgflow\.models or mypack;"):
        rgflow.load_flow(package / "flow.ckpt", trust=["mypack"])


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("mypackage.Springs", "objective: got <mypackage.Springs object"),
        ("mypackage.Lost", "expected one that is judged by what this training measures"),
    ],
)
def test_an_objective_that_cannot_be_used_is_one_line(objective, words, package, capsys):
    node = ["+objective.side=4"] if objective.endswith("Springs") else []
    more = [f"objective._target_={objective}", *node]
    assert run("run", "my_fields", *more) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not (package / "run").exists()
