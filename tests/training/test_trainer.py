"""Precision by hardware, memory that is kept between steps, and the weights that are reported."""

import json
import math
import subprocess
import sys

import pytest
import torch
from lightning.pytorch.strategies import SingleDeviceStrategy
from tiny_run import TINY_ENERGY, assert_equal, checkpoint, train

from rgflow.training import LikelihoodModule
from rgflow.training.energy import EnergyModule
from rgflow.training.trainer import fast_precision


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [({"avx512_bf16": True}, "bf16-mixed"), ({"avx512_bf16": False}, "32-true"), ({}, "32-true")],
)
def test_bfloat16_only_where_the_processor_multiplies_it(monkeypatch, capabilities, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert fast_precision("cpu") == precision


def test_older_versions_of_torch_take_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert fast_precision("cpu") == "32-true"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_freed_memory_is_kept():
    """300 MB in pieces stay resident after they are freed, and serve the next pieces."""
    program = """
import sys
import torch
from rgflow.runtime.allocator import keep_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 // 2**20
if not keep_freed_memory():
    sys.exit("no glibc")
values = [resident()]
for _ in range(2):
    pieces = [torch.ones(2**18) for _ in range(300)]
    values.append(resident())
    del pieces
    values.append(resident())
print(*values)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if "no glibc" in result.stderr:
        pytest.skip("no glibc")
    start, used, kept, again, _ = map(int, result.stdout.split())
    assert used > start + 250
    assert kept > start + 250
    assert again < used + 50


@pytest.mark.usefixtures("small_figures")
@pytest.mark.parametrize("first", [0.0, math.nan], ids=["last is nan", "all are nan"])
def test_the_best_weights_are_reported_where_the_last_validation_is_not_a_number(
    first, tmp_path, monkeypatch
):
    reported = {}
    original = EnergyModule.on_validation_epoch_end

    def validated(self):
        self._tally.add_samples(torch.tensor([first if self.global_step == 2 else torch.nan]))
        original(self)

    def report(self, directory):
        reported.update({name: value.clone() for name, value in self.state_dict().items()})

    monkeypatch.setattr(EnergyModule, "on_validation_epoch_end", validated)
    monkeypatch.setattr(EnergyModule, "report", report)
    common = ["validation_every=2", "training.reference_states=0"]
    assert train(*TINY_ENERGY, *common, f"hydra.run.dir={tmp_path}/run", tiny=False) == 0
    best, last = (checkpoint(tmp_path / "run", name) for name in ("best", "last"))
    assert (best["global_step"], last["global_step"]) == (2, 4)
    is_restored = math.isfinite(first)
    assert_equal(dict((best if is_restored else last)["state_dict"]), reported)
    score = json.loads((tmp_path / "run/metrics.json").read_text())["validation_free_energy_bound"]
    assert (score is not None) == is_restored


@pytest.mark.parametrize("base", [LikelihoodModule, EnergyModule])
def test_the_report_is_made_on_the_device_of_the_training(base, tmp_path, monkeypatch):
    """Which Lightning leaves at the end: here a device without numbers stands for a GPU."""
    devices = []
    original = SingleDeviceStrategy.teardown

    def teardown(self):
        original(self)
        if self.lightning_module.trainer.state.fn == last_stage:
            self._root_device = torch.device("meta")

    def report(self, directory):
        devices.extend({self.device, *(tensor.device for tensor in self.state_dict().values())})

    is_energy = base is EnergyModule
    last_stage = "fit" if is_energy else "test"
    monkeypatch.setattr(SingleDeviceStrategy, "teardown", teardown)
    monkeypatch.setattr(base, "report", report)
    overrides = (
        [*TINY_ENERGY, "trainer.limit_val_batches=0"] if is_energy else [f"data.root={tmp_path}"]
    )
    assert train(*overrides, f"hydra.run.dir={tmp_path}/run", tiny=not is_energy) == 0
    assert set(devices) == {torch.device("meta")}
