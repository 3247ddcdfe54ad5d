import json
import math

import pytest
import torch

from rgflow import Flow
from rgflow.bijectors import CirculantRoot, ElementwiseAffine
from rgflow.energies import XY, GaussianField, Ising, as_energy
from rgflow.energies.exact import free_field_two_point, ising_brute_force
from rgflow.evaluation import (
    WeightedSamples,
    draw_weighted,
    evaluate_energy,
    evaluation_figure,
    reference_report,
)
from rgflow.evaluation.figure import reference_figure
from rgflow.evaluation.observables_table import two_point_report
from rgflow.montecarlo.reference import Reference, reference_samples
from rgflow.plotting.images import save_figure
from rgflow.priors import Gaussian

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
    assert abs(r["target_log_weight_max"]) < 1e-4
    assert r["acceptance"] == pytest.approx(1, abs=1e-4)
    assert r["largest_share"] == pytest.approx(1 / 20_000, rel=1e-3)
    assert r["pareto_k"] is r["forward_pareto_k"] is None  # no tail but rounding


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
        known = name in ("m2", "energy_per_site", "specific_heat")
        assert row.get("exact") == (pytest.approx(answer) if known else None)
        if known:
            assert row["sigmas"] == pytest.approx((row["value"] - answer) / row["error"])


@pytest.mark.parametrize("name", ["two_point", "reference_two_point"])
def test_two_point_function_beside_the_exact_one(exact_report, name):
    points = exact_report[name]
    assert [point["r"] for point in points] == [0, 1, 2, 3]
    for point, answer in zip(points, free_field_two_point(6, 6, 0.5)[0], strict=False):
        assert point["exact"] == pytest.approx(float(answer))
        assert abs(point["value"] - point["exact"]) < 4 * point["error"] < 0.2 * point["exact"]
        assert point["sigmas"] == pytest.approx((point["value"] - point["exact"]) / point["error"])


def test_two_point_function_of_weighted_samples():
    # white noise, reweighted
    white = torch.full((4, 4), 0.4)
    field = GaussianField(4, 1.0)
    drawn = draw_weighted(gaussian_flow(white), field, 20_000)
    exact = free_field_two_point(4, 4, 1.0)[0]
    for r, point in enumerate(two_point_report(field, drawn.samples, drawn.log_weights)):
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
    assert 0.3 < r["pareto_k"] < 0.7
    assert 0.3 < r["forward_pareto_k"] < 0.7
    # both ways of the same number
    error = math.hypot(r["ess_error"], r["forward_ess_error"])
    assert abs(r["ess"] - r["forward_ess"]) < 4 * error < 0.2
    assert_spins_are_exact(r["observables"], r["two_point"])
    assert_spins_are_exact(r["reference_observables"], r["reference_two_point"])
    json.loads(json.dumps(r, allow_nan=False))


def assert_spins_are_exact(rows, points):
    """Of the Ising model with side 4 and coupling 0.2."""
    moments = ising_brute_force(4, 4, 0.2)
    answers = {
        "m2": moments.m2,
        "abs_m": moments.abs_m,
        "energy_per_site": 0.2 * moments.energy,
        "specific_heat": moments.specific_heat,
    }
    for name, answer in answers.items():
        row = rows[name]
        assert abs(row["value"] - answer) < 4 * row["error"] < abs(answer), name
        assert row.get("exact") == (None if name == "abs_m" else pytest.approx(answer))
    field = [name.startswith("field_") for name in rows]
    assert field == sorted(field)  # after the spins
    assert rows["field_m2"]["value"] > 1.5 * rows["m2"]["value"]
    neighbours = -moments.energy / 2
    assert abs(points[1]["value"] - neighbours) < 4 * points[1]["error"] < 0.2 * neighbours
    assert (points[0]["value"], points[0]["error"]) == (1, 0)


def test_the_state_of_the_target_that_the_flow_has_too_rare():
    """A flow of half the width: ``log w`` is a parabola of the state, largest far out."""
    narrow = gaussian_flow(4 * FIELD.spectrum)
    reference = reference_samples(FIELD, chains=8, states=20, seed=1)
    r = evaluate_energy(narrow, FIELD, samples=20_000, reference=reference)
    x = reference.samples.flatten(0, 1)
    log_w = -FIELD.energy(x.double()) - narrow.double().log_prob(x.double())
    wanted = float(log_w.max()) - r["log_z_importance"]
    assert wanted > 5
    assert r["target_log_weight_max"] == pytest.approx(wanted, abs=1e-3)


def test_without_reference_and_with_few_samples():
    r = evaluate_energy(gaussian_flow(FIELD.spectrum), FIELD, samples=100)
    assert r["ess"] is r["ess_error"] is None
    assert r["log_z_upper"] is r["forward_kl_nats"] is r["forward_ess"] is None
    assert r["target_log_weight_max"] is None
    assert "reference_observables" not in r
    json.dumps(r, allow_nan=False)


def test_report_on_chains():
    reference = reference_samples(FIELD, chains=8, states=500)
    r = reference_report(FIELD, reference)
    assert (r["method"], r["states"], r["chains"]) == ("exact", 500, 8)
    slowest = max(r["observables"][name]["tau"] for name in ("m2", "energy_per_site"))
    rate = 4000 / (2 * slowest) / reference.seconds
    assert r["independent_samples_per_second"] == pytest.approx(rate)
    json.dumps(r, allow_nan=False)


def test_slow_energies_make_few_independent_samples():
    # of an AR(1) process with rho(t) = 0.9^t: tau = 1/2 + 0.9 / 0.1
    noise = torch.randn(4000, 4, generator=torch.Generator().manual_seed(0)).double()
    energies = [noise[0]]
    for step in noise[1:]:
        energies.append(0.9 * energies[-1] + step)
    x = FIELD.sample(16_000, torch.Generator().manual_seed(1)).unflatten(0, (4000, 4))
    r = reference_report(FIELD, Reference(x, torch.stack(energies), "hmc", 0.8, 2.0, 0.0))
    assert r["observables"]["m2"]["tau"] < 1
    assert r["tau"] == r["observables"]["energy_per_site"]["tau"] > 6
    assert r["independent_samples_per_second"] == pytest.approx(16_000 / (2 * r["tau"]) / 2.0)


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
    [(GaussianField(4, 0.5), 10, "got fields of shape"), (FIELD, 0, "samples=0")],
)
def test_wrong_arguments_are_refused(energy, samples, words):
    with pytest.raises(ValueError, match=words):
        evaluate_energy(gaussian_flow(FIELD.spectrum), energy, samples=samples)


@pytest.mark.parametrize("beside", [True, False])
def test_figure_is_drawn(beside, tmp_path):
    drawn = draw_weighted(gaussian_flow(FIELD.spectrum * 1.2), FIELD, 100)
    assert isinstance(drawn, WeightedSamples)
    reference = reference_samples(FIELD, chains=4, states=20) if beside else None
    figure = evaluation_figure(FIELD, drawn, reference)
    save_figure(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    pictures = [axis for axis in figure.axes if axis.images]
    assert len(pictures) == (16 if beside else 8)
    labels = [axis.get_xlabel() for axis in figure.axes]
    assert sum("magnetization" in label or "distance" in label for label in labels) == 2


def test_figures_show_spins_and_angles_and_not_the_auxiliary_field():
    ising, xy = Ising(4), XY(4, 1.0)
    drawn = draw_weighted(gaussian_flow(ising.spectrum), ising, 100)
    chains = reference_samples(ising, chains=4, states=20)
    for figure in (evaluation_figure(ising, drawn, chains), reference_figure(ising, chains)):
        values = [axis.images[0].get_array() for axis in figure.axes if axis.images]
        assert all(set(field.flatten().tolist()) <= {-1, 1} for field in values)
        axes = {axis.get_xlabel().split(" ")[0]: axis for axis in figure.axes}
        (left, right) = axes["magnetization"].get_xlim()
        assert -1.3 < left < -1 < 1 < right < 1.3
        assert axes["distance"].containers[0][0].get_ydata()[0] == 1
    figure = evaluation_figure(xy, draw_weighted(gaussian_flow(torch.ones(4, 4)), xy, 100))
    values = torch.stack(
        [torch.as_tensor(axis.images[0].get_array()) for axis in figure.axes if axis.images]
    )
    assert 2 < values.abs().max() <= math.pi
    assert any("|m|" in axis.get_xlabel() for axis in figure.axes)


def test_a_lattice_that_is_not_square_has_no_two_point_function():
    class Strip:
        event_shape = (1, 4, 6)

        def energy(self, x):
            return x.square().sum((1, 2, 3)) / 2

    energy = as_energy(Strip())
    flow = Flow(ElementwiseAffine((1, 4, 6), scale=1.1), Gaussian((1, 4, 6)))
    reference = reference_samples(energy, chains=4, states=20)
    r = evaluate_energy(flow, energy, samples=100, reference=reference)
    assert r["two_point"] == r["reference_two_point"] == []
    assert abs(r["observables"]["energy_per_site"]["value"] - 0.5) < 0.1
    drawn = draw_weighted(flow, energy, 100)
    assert evaluation_figure(energy, drawn, reference).axes
