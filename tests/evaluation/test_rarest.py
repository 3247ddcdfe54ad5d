"""What a report says of the states that a flow makes too rare."""

import json

import pytest
import torch
from support import flow_of

from rgflow.energies import ComplexPhi4, Ising, Phi4
from rgflow.evaluation import evaluate_energy
from rgflow.evaluation.figure import rarest_figure
from rgflow.evaluation.rarest import RAREST, rarest_report
from rgflow.evaluation.summary import evaluation_summary
from rgflow.montecarlo.reference import reference_samples


@pytest.fixture(scope="module")
def striped():
    """States of the Ising model, whose stripes a flow is said to have far too rarely."""
    energy = Ising(8)
    reference = reference_samples(energy, chains=16, states=200, seed=0)
    x = reference.samples.clone()
    x[3, 5] = 4.0
    x[3, 5, :, :, 2:6] = -4.0
    reference = reference._replace(samples=x)
    log_weights = torch.zeros_like(reference.energies)
    log_weights[3, 5] = 7.0
    return energy, reference, log_weights


def test_the_rarest_states_come_first(striped):
    energy, reference, log_weights = striped
    which = rarest_report(energy, reference, log_weights)["states"]
    assert len(which) == RAREST
    assert torch.equal(reference.samples.flatten(0, 1)[which[0]], reference.samples[3, 5])
    few = reference._replace(
        samples=reference.samples[:1, :3], energies=reference.energies[:1, :3]
    )
    assert len(rarest_report(energy, few, log_weights[:1, :3])["states"]) == 3
    figure = rarest_figure(energy, reference, which)
    titles = [part.get_suptitle() for part in figure.subfigs]
    assert titles == ["states that the flow makes too rare", "any states"]


def test_properties_of_the_rarest_are_those_of_their_spins(striped, monkeypatch):
    monkeypatch.setattr("rgflow.evaluation.rarest.RAREST", 1)
    energy, reference, log_weights = striped
    report = rarest_report(energy, reference, log_weights)
    assert (report["count"], report["of"]) == (1, 3200)
    rows = {row["name"]: row for row in report["properties"]}
    assert rows["abs_m"]["value"] == pytest.approx(0, abs=0.1)
    assert rows["unlike_neighbours"]["value"] == pytest.approx(1 / 8, abs=0.05)
    assert rows["winding_walls"]["value"] == 1
    exact = 0.6469**0.5  # of m^2, below which |m| lies
    assert exact - 0.1 < rows["abs_m"]["typical_value"] < exact
    assert 0 < rows["winding_walls"]["typical_value"] < 0.2


@pytest.mark.filterwarnings("ignore::rgflow.statistics.WeightWarning")  # of an untrained flow
@pytest.mark.parametrize(
    ("energy", "channels", "names"),
    [
        (Phi4(4, m2=-4.0, lam=6.0), 1, {"abs_m", "unlike_neighbours", "winding_walls"}),
        (ComplexPhi4(4, t=1.0, mu=0.0, lam=1.0), 2, {"abs_m", "unlike_neighbours"}),
    ],
)
def test_a_report_has_them_and_a_reader_sees_them(energy, channels, names):
    flow = flow_of("conv_flow", side=4, channels=channels, prior="gaussian", couplings=1)
    reference = reference_samples(energy, chains=8, states=40, seed=0)
    report = evaluate_energy(flow, energy, samples=200, reference=reference)
    assert {row["name"] for row in report["rarest"]["properties"]} == names
    assert report["rarest"]["count"] == RAREST
    json.dumps(report["rarest"], allow_nan=False)
    lines = evaluation_summary(report).splitlines()
    (first,) = [line for line in lines if line.startswith("rarest")]
    assert (
        f"of 320 states of the target the worst is {report['target_log_weight_max']:.3g}" in first
    )
    assert sum("in the 32 rarest" in line for line in lines) == len(names)
    alone = evaluate_energy(flow, energy, samples=200)
    assert "rarest" not in alone
    assert "rarest" not in evaluation_summary(alone)
