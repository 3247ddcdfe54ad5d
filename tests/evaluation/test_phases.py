"""The symmetry U(1) of flows of complex fields, measured, and what reports say of it."""

import math

import pytest
import torch
from support import perturbed

from rgflow.bijectors import CirculantRoot
from rgflow.energies import ComplexPhi4, Phi4
from rgflow.evaluation import evaluate_energy, reference_report
from rgflow.evaluation.comparison import comparison_table
from rgflow.evaluation.phases import phase_symmetry
from rgflow.evaluation.printed import evaluation_table
from rgflow.flow import Flow
from rgflow.lattice.phases import turned_phases
from rgflow.models import BlockLevels, BlockNet, Outside, block_flow
from rgflow.montecarlo.reference import reference_samples
from rgflow.priors import Gaussian


@pytest.fixture(scope="module")
def free():
    """Two free fields with the flow that is exact for them, and their chains."""
    energy = ComplexPhi4(4, t=0.5, mu=1.4, lam=0.0)
    flow = Flow(CirculantRoot(energy.spectrum, 2), Gaussian((2, 4, 4)))
    return energy, flow, reference_samples(energy, chains=16, states=64)


@pytest.fixture(scope="module")
def report(free):
    energy, flow, reference = free
    return evaluate_energy(flow, energy, samples=10_000, reference=reference)


def test_a_symmetric_flow_has_the_symmetry(report):
    phases = report["phases"]
    assert phases["spread_nats"] < 1e-3
    noise = phases["resultant_of_uniform_phases"]
    assert noise == pytest.approx(math.sqrt(math.pi / 40_000))
    assert all(resultant < 4 * noise for resultant in phases["resultants"])


def test_amplitude_and_stiffness_of_flow_and_chains_are_exact_and_side_by_side(free, report):
    energy, _, reference = free
    chains = reference_report(energy, reference)
    variance = energy.spectrum.mean()
    amplitude = float((math.pi * variance / 2).sqrt())  # of a Rayleigh law
    for rows in (report["observables"], report["reference_observables"], chains["observables"]):
        assert abs(rows["helicity_modulus"]["sigmas"]) < 4
        row = rows["amplitude"]
        assert abs(row["value"] - amplitude) < 4 * row["error"] < 0.05
    for table in (comparison_table(report, chains), evaluation_table(report)):
        assert all(name in table for name in ("amplitude", "helicity_modulus", "G(r = 2)"))
    assert "log q changes by" in evaluation_table(report)


def test_an_asymmetric_flow_has_the_spread_of_its_density():
    torch.manual_seed(0)
    net = BlockNet("mlp", hidden=(8, 8))
    flow = block_flow(4, 2, BlockLevels(2, 2), net, outside=Outside("gaussian"))
    flow = perturbed(flow).requires_grad_(False)
    x = torch.randn(20, 2, 4, 4, dtype=torch.float64)
    samples = 0.1 * x + torch.tensor([0.0, 1.0]).view(2, 1, 1)
    found = phase_symmetry(flow, x, samples, angles=4)
    by_hand = torch.stack(
        [flow.log_prob(turned_phases(x, torch.tensor(a * math.pi / 2))) for a in range(4)]
    )
    assert found.spread.value == pytest.approx(float(by_hand.std(0).mean()), rel=1e-6)
    assert found.spread.value > 0.1
    assert found.resultants[0] > 0.99


def test_one_component_has_no_phase():
    energy = Phi4(4, -1.0, 1.0)
    flow = Flow(CirculantRoot(torch.ones(4, 4)), Gaussian((1, 4, 4)))
    assert "phases" not in evaluate_energy(flow, energy, samples=1000)
    with pytest.raises(ValueError, match=r"expected \(B, 2, L, L\)"):
        phase_symmetry(flow, torch.ones(3, 1, 4, 4), torch.ones(3, 1, 4, 4))
