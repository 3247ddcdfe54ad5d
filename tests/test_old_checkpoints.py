"""Checkpoints of the version before the package got its rooms (commit 65b8690) keep working.

Each is from three steps of a tiny preset; the log densities were printed by that version.
"""

from pathlib import Path

import pytest
import torch
from tiny_run import checkpoint, train

import rgflow
from rgflow.checkpoint import load_config
from rgflow.energies.from_config import build_energy

FOLDER = Path(__file__).parent / "old_checkpoints"
LOG_PROB = {
    "ising": [-21.29517151192577, -21.519040554073005],
    "msds1_block": [4.661556176447391, -0.1455691219616142],
}
SETTINGS = {
    "ising": """experiment=ising_l4 flow.hidden=[4] flow.couplings=[1] flow.top_couplings=1
        flow.top_hidden=4 flow.bins=4 training.batch_size=16 training.eval_samples=64
        training.report_samples=64 training.reference_states=64""",
    "msds1_block": """experiment=msds1_block_small flow.side=8 data.side=8 flow.couplings=[1]
        flow.hidden=2 flow.width=2 flow.residual_blocks=1 data.batch_size=4 data.train_size=40
        data.validation_size=12 data.test_size=12""",
}


@pytest.mark.parametrize("name", LOG_PROB)
def test_the_density_is_the_same(name):
    flow = rgflow.load_flow(FOLDER / f"{name}.ckpt").double()
    size = 2 * flow.event_shape[0] * flow.event_shape[1] * flow.event_shape[2]
    x = torch.linspace(0.1, 0.9, size, dtype=torch.float64).view(2, *flow.event_shape)
    expected = torch.tensor(LOG_PROB[name], dtype=torch.float64)
    torch.testing.assert_close(flow.log_prob(x), expected, rtol=1e-12, atol=1e-10)


@pytest.mark.parametrize("name", LOG_PROB)
def test_training_goes_on_from_them(name, tmp_path):
    resumed = FOLDER / f"{name}.ckpt"
    more = ["max_steps=5", "validation_every=5", "seed=0", f"hydra.run.dir={tmp_path}/run"]
    settings = SETTINGS[name].split()
    settings += [f"data.root={tmp_path}"] if "data.side=8" in settings else []
    assert train(*settings, *more, f"ckpt_path={resumed}", tiny=False) == 0
    assert checkpoint(tmp_path / "run")["global_step"] == 5
    log = (tmp_path / "run/train.log").read_text()
    assert "objective" not in log  # it is the same
    assert "experiment=" in log.partition("is not applied: the run keeps its settings")[0]


def test_the_energy_is_built_from_its_config():
    energy = build_energy(load_config(FOLDER / "ising.ckpt")["energy"])
    assert energy.event_shape == (1, 4, 4)
    assert energy.log_z is not None
