import json
import math

import pytest
import torch

from rgflow import Flow
from rgflow.bijectors import CirculantRoot, ElementwiseAffine
from rgflow.energies import GaussianField, Ising
from rgflow.energies.exact import free_field_two_point, ising_brute_force
from rgflow.evaluation import (
    WeightedSamples,
    draw_weighted,
    evaluate_energy,
    evaluation_figure,
    reference_report,
    reference_samples,
)
from rgflow.plotting import save_figure
from rgflow.priors import Gaussian
from rgflow.reports import two_point_report

FIELD = GaussianField(6, 0.5)


def gaussian_flow(spectrum):
    """A Gaussian law with that covariance by mode."""
    return Flow(CirculantRoot(spectrum), Gaussian((1, *spectrum.shape)))


@pytest.fixture(scope="module")
def exact_report():
    reference = reference_samples(FIELD, seed=1)
    return evaluate_energy(
        gaussian_flow(FIELD.spectrum), FIELD, samples=20_000, reference=reference
    )


def test_report_on_an_exact_flow(exact_report):
    r = exact_report
    for name in ("log_z_lower", "log_z_importance", "log_z_upper"):
        assert r[name] == pytest.approx(FIELD.log_z, abs=1e-5)
        assert r[f"{name}_error"] < 1e-5
    assert r["free_energy_bound"] == -r["log_z_lower"]
    assert abs(r["kl_nats"]) < 1e-5
    assert abs(r["forward_kl_nats"]) < 1e-5
    assert r["ess"] == pytest.approx(1)
    assert r["forward_ess"] == pytest.approx(1)
    assert r["acceptance"] == pytest.approx(1, abs=1e-4)
    assert r["largest_share"] == pytest.approx(1 / 20_000, rel=1e-3)


@pytest.mark.parametrize("source", ["observables", "reference_observables"])
def test_observables_are_exact_within_errors(exact_report, source):
    m2 = 1 / 36  # 1 / (2 m2 N)
    answers = {
        "m2": m2,
        "m4": 3 * m2**2,
        "abs_m": math.sqrt(2 * m2 / math.pi),
        "susceptibility": 1.0,
        "energy_per_site": 0.5,
        "specific_heat": 0.5,
        "correlation_length": math.sqrt(2),
    }
    for name, answer in answers.items():
        row = exact_report[source][name]
        assert abs(row["value"] - answer) < 4 * row["error"] < 0.2 * answer, name
        assert ("tau" in row) == (source == "reference_observables")


def test_two_point_function_of_weighted_samples():
    # white noise, reweighted
    white = torch.full((4, 4), 0.4)
    field = GaussianField(4, 1.0)
    drawn = draw_weighted(gaussian_flow(white), field, 20_000)
    exact = free_field_two_point(4, 4, 1.0)[0]
    for r, point in enumerate(two_point_report(drawn.samples, drawn.log_weights)):
        assert abs(point.value - float(exact[r])) < 4 * point.error < 0.05


def test_bounds_enclose_log_z_of_the_ising_model():
    energy = Ising(4, coupling=0.2)
    # wider than K, as the spins are correlated
    flow = gaussian_flow(energy.spectrum + 1.3 * energy.spectrum**2)
    reference = reference_samples(energy)
    r = evaluate_energy(flow, energy, samples=20_000, reference=reference)
    exact = energy.log_z
    assert r["log_z_lower"] + 4 * r["log_z_lower_error"] < exact
    assert exact < r["log_z_upper"] - 4 * r["log_z_upper_error"]
    assert abs(r["log_z_importance"] - exact) < 4 * r["log_z_importance_error"] < 0.2
    assert r["kl_nats"] == pytest.approx(exact - r["log_z_lower"])
    assert r["forward_kl_nats"] == pytest.approx(r["log_z_upper"] - exact)
    assert 0 < r["ess"] < 0.9
    # both ways of the same number
    error = math.hypot(r["ess_error"], r["forward_ess_error"])
    assert abs(r["ess"] - r["forward_ess"]) < 4 * error < 0.2
    moments = ising_brute_force(4, 4, 0.2)
    answers = {
        "spin_m2": moments.m2,
        "spin_abs_m": moments.abs_m,
        "spin_energy_per_site": 0.2 * moments.energy,
        "spin_specific_heat": moments.specific_heat,
    }
    for name, answer in answers.items():
        row = r["observables"][name]
        assert abs(row["value"] - answer) < 4 * row["error"] < abs(answer), name
    json.loads(json.dumps(r, allow_nan=False))


def test_without_reference_and_with_few_samples():
    r = evaluate_energy(gaussian_flow(FIELD.spectrum), FIELD, samples=100)
    assert r["ess"] is r["ess_error"] is None
    assert r["log_z_upper"] is r["forward_kl_nats"] is r["forward_ess"] is None
    assert "reference_observables" not in r
    json.dumps(r, allow_nan=False)


def test_report_on_chains():
    reference = reference_samples(FIELD, chains=8, states=500)
    r = reference_report(FIELD, reference)
    assert (r["method"], r["states"], r["chains"]) == ("exact", 500, 8)
    rate = 4000 / (2 * r["observables"]["m2"]["tau"]) / reference.seconds
    assert r["independent_samples_per_second"] == pytest.approx(rate)
    json.dumps(r, allow_nan=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draws_follow_the_seed_and_weights_the_definition(dtype):
    flow = gaussian_flow(FIELD.spectrum * 1.1).to(dtype)
    one, same, other = (
        draw_weighted(flow, FIELD, 70, seed=seed, batch_size=32) for seed in (0, 0, 1)
    )
    assert torch.equal(one.samples, same.samples)
    assert not torch.equal(one.samples, other.samples)
    assert one.samples.dtype == torch.float32
    assert one.log_weights.dtype == one.energies.dtype == torch.float64
    assert one.samples.shape == (70, 1, 6, 6)
    expected = -FIELD.energy(one.samples) - flow.log_prob(one.samples.to(dtype))
    assert torch.allclose(one.log_weights, expected.double(), atol=1e-4)


def test_samples_that_overflow_are_told():
    flow = Flow(ElementwiseAffine((1, 6, 6), scale=1e-30), Gaussian((1, 6, 6)))
    with pytest.raises(ValueError, match="50 of 50 samples"):
        evaluate_energy(flow, FIELD, samples=50)


@pytest.mark.parametrize(
    ("energy", "samples", "words"),
    [(GaussianField(4, 0.5), 10, "acts on"), (FIELD, 0, "samples=0")],
)
def test_wrong_arguments_are_refused(energy, samples, words):
    with pytest.raises(ValueError, match=words):
        evaluate_energy(gaussian_flow(FIELD.spectrum), energy, samples=samples)


@pytest.mark.parametrize("beside", [True, False])
def test_figure_is_drawn(beside, tmp_path):
    drawn = draw_weighted(gaussian_flow(FIELD.spectrum * 1.2), FIELD, 100)
    assert isinstance(drawn, WeightedSamples)
    reference = reference_samples(FIELD, chains=4, states=20) if beside else None
    figure = evaluation_figure(drawn, reference, FIELD.log_z)
    save_figure(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    pictures = [axis for axis in figure.axes if axis.images]
    assert len(pictures) == (16 if beside else 8)
    labels = [axis.get_xlabel() for axis in figure.axes]
    assert sum("magnetization" in label or "distance" in label for label in labels) == 2
