"""The bench of growth: what it holds, from which weights, and what it measures."""

import sys
from pathlib import Path

import pytest
import torch
from support import flow_of

from rgflow import Flow
from rgflow.bijectors import CirculantRoot
from rgflow.energies import GaussianField, Ising
from rgflow.objectives import Batch
from rgflow.priors import Gaussian
from rgflow.testing import perturbed

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import growth


def levels(side=8):
    return flow_of("conv_flow", side=side, channels=1, couplings=2, hidden=4, kernels=(3, 3))


def test_only_the_new_level_learns_at_first_and_all_from_the_given_weights(tmp_path):
    start, flow = perturbed(levels(16)), levels(16)
    torch.save(start.state_dict(), tmp_path / "start.pt")
    objective = growth.Held(str(tmp_path / "start.pt"), held_steps=2)
    for step in range(4):
        flow.zero_grad()
        batch = Batch(8, torch.Generator().manual_seed(step), None)
        objective.loss(flow, Ising(16), batch).nats.backward()
        if step == 0:
            weights = start.state_dict()
            assert all(torch.equal(v, weights[k]) for k, v in flow.state_dict().items())
        *others, new, top = growth.levels_of(flow)
        assert all(w.grad.abs().sum() > 0 for w in new.parameters())
        learn = [w.grad is not None for level in (*others, top) for w in level.parameters()]
        assert learn == [step >= 2] * len(learn)


def test_the_divergence_of_two_normal_laws():
    energy, scale = GaussianField(4, 0.5), 1.3
    flow = Flow(CirculantRoot(scale * energy.spectrum), Gaussian((1, 4, 4)))
    exact = 16 * (scale - 1 - torch.tensor(scale).log().item()) / 2
    assert growth.divergence(flow, energy, 8192) == pytest.approx(exact, abs=0.05)


def test_rows_name_levels_that_are_there():
    rows = growth.candidates(levels(16), 4e-3, 100)
    assert [name for name in rows if "doubled" in name] == [
        "level 1 is doubled",
        "level 0 is doubled",
    ]
    assert rows["twice the learning rate"]["settings"] == ["training.lr=0.008"]
    assert rows["half of each path gradient, half the steps"]["steps"] == 50
