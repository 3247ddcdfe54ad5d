"""Flows judged from both sides, and pulls: on laws where all is known."""

import sys
from pathlib import Path

import pytest
import torch

from rgflow import Flow
from rgflow.bijectors import CirculantRoot
from rgflow.energies import GaussianField
from rgflow.montecarlo.reference import Reference
from rgflow.priors import Gaussian

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import both_sides
import pulls


def gaussian_flow(spectrum):
    return Flow(CirculantRoot(spectrum), Gaussian((1, 4, 4)))


def states_of(energy, chains=16, states=256):
    exact = gaussian_flow(energy.spectrum)
    with torch.no_grad():
        x = exact.sample(chains * states, generator=torch.Generator().manual_seed(9))
    energies = energy.energy(x.double())
    shape = (states, chains)
    return Reference(x.unflatten(0, shape), energies.view(shape), "exact", 1.0, 0.0, 0.0, "cpu")


def test_an_exact_flow_is_right_from_both_sides():
    energy = GaussianField(4, 0.5)
    judged = both_sides.judge(gaussian_flow(energy.spectrum), energy, states_of(energy), 0)
    for name in ("one image", "averaged"):
        numbers = judged[name]
        assert numbers["ESS"] == pytest.approx(1, abs=1e-4)
        assert numbers["forward ESS"] == pytest.approx(1, abs=1e-4)
        for column in ("KL(q,p)", "KL(p,q)", "rarest (nats)"):
            assert numbers[column] == pytest.approx(0, abs=1e-3)
    guarded = judged["guarded"]
    assert 0 < guarded["KL(p,q)"] < 0.06  # of a share of 5% less
    assert guarded["rarest (nats)"] == pytest.approx(0.0513, abs=1e-2)


def test_a_wider_flow_has_the_divergences_of_two_normal_laws():
    energy = GaussianField(4, 0.5)
    scale = 1.3
    judged = both_sides.judge(
        gaussian_flow(scale * energy.spectrum), energy, states_of(energy), 0
    )["one image"]
    log = torch.tensor(scale).log().item()
    wide, narrow = 16 * (scale - 1 - log) / 2, 16 * (1 / scale - 1 + log) / 2
    assert judged["KL(q,p)"] == pytest.approx(wide, abs=0.05)
    assert judged["KL(p,q)"] == pytest.approx(narrow, abs=0.05)
    assert judged["rarest (nats)"] == pytest.approx(8 * log, abs=0.5)  # at the middle


def test_pulls_of_normal_numbers_and_of_errors_that_are_too_small():
    normal = torch.randn(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    row = pulls.row_of("ln Z", normal.tolist())
    assert abs(float(row["mean"].split(" ± ")[0])) < 3 * 0.05
    assert float(row["spread"].split(" ± ")[0]) == pytest.approx(1, abs=3 * 0.04)
    assert 0.01 < float(row["probability"]) < 0.99
    assert float(pulls.row_of("ln Z", (1.3 * normal).tolist())["probability"]) < 0.01
    assert float(pulls.row_of("ln Z", (normal + 0.5).tolist())["probability"]) < 0.01
