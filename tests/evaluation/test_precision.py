"""Samples until the error of a named row is small enough."""

import math

import pytest
import torch

from rgflow import Flow
from rgflow.bijectors import CirculantRoot
from rgflow.energies import GaussianField, Ising
from rgflow.evaluation import evaluate_energy, reference_report
from rgflow.evaluation.precision import Precision, check_name, grow, precision_line
from rgflow.evaluation.to_precision import evaluate_to_precision, simulate_to_precision
from rgflow.montecarlo.growing import GrowingChains
from rgflow.montecarlo.reference import reference_samples
from rgflow.priors import Gaussian
from rgflow.statistics import log_z_estimates

FIELD = GaussianField(4, 0.5)


def flow_of_width(factor):
    """A Gaussian law like the field's whose covariance is that many times as large."""
    return Flow(CirculantRoot(factor * FIELD.spectrum), Gaussian((1, 4, 4)))


def without_times(report):
    return {name: row for name, row in report.items() if name not in ("seconds", "precision")}


@pytest.mark.parametrize("text", ["m2", "m2=", "=0.1", "m2=-1", "m2=0", "m2=nan", "m2=inf", ""])
def test_what_is_no_name_with_an_error_is_refused(text):
    with pytest.raises(ValueError, match="expected a name and a positive error such as"):
        Precision.of_text(text)


def test_names_are_those_of_the_report():
    report = evaluate_energy(flow_of_width(1.1), FIELD, samples=100)
    names = ["log_z", *report["observables"], "G(r = 0)", "G(r = 1)", "G(r = 2)"]
    for name in names:
        check_name(Precision(name, 0.1), FIELD, of_flow=True)
    with pytest.raises(ValueError, match="got 'm3', expected one of log_z, ") as refused:
        check_name(Precision("m3", 0.1), FIELD, of_flow=True)
    assert str(refused.value).endswith("one of " + ", ".join(names))
    with pytest.raises(ValueError, match="got 'log_z', expected one of abs_m"):
        check_name(Precision("log_z", 0.1), FIELD, of_flow=False)
    check_name(Precision("field_m2", 0.1), Ising(4), of_flow=False)


def error_of(report, name):
    if name == "log_z":
        return report["log_z_importance_error"]
    rows = report["two_point"][1] if name == "G(r = 1)" else report["observables"][name]
    return rows["error"]


@pytest.mark.parametrize("name", ["log_z", "m2", "G(r = 1)"])
def test_the_report_is_that_of_so_many_samples_at_once(name):
    flow, counts = flow_of_width(1.2), {"seed": 3, "batch_size": 512}
    first = error_of(evaluate_energy(flow, FIELD, samples=512, **counts), name)
    asked = Precision(name, 0.6 * first)
    report = evaluate_to_precision(flow, FIELD, asked, first=500, **counts)
    outcome = report["precision"]
    assert outcome["reached"]
    assert outcome["rounds"] == 3  # 1 / sqrt(4) of the first error, and 1 / sqrt(2) is too much
    assert outcome["samples"] == report["samples"] == 2048
    whole = evaluate_energy(flow, FIELD, samples=2048, **counts)
    assert without_times(report) == without_times(whole)
    assert outcome["error"] == error_of(whole, name) <= asked.error
    assert ": reached, " in precision_line(outcome)


def test_stopping_by_the_error_does_not_bias():
    """Log-normal weights, whose error comes out small where heavy weights have not been met."""
    generator, pulls = torch.Generator().manual_seed(0), []
    for _ in range(60):
        parts = []

        def draw(count, parts=parts):
            parts.append(0.7 * torch.randn(count, generator=generator, dtype=torch.float64))
            return count

        def measure(parts=parts):
            return log_z_estimates(torch.cat(parts)).importance.error, True

        assert grow(draw, measure, Precision("log_z", 0.024), 256, 1e6, 10**6)["rounds"] > 1
        value, error, _ = log_z_estimates(torch.cat(parts)).importance
        pulls.append((value - 0.7**2 / 2) / error)
    pulls = torch.tensor(pulls)
    assert abs(pulls.mean()) < 3 / math.sqrt(60)
    assert 0.8 < pulls.std() < 1.2


def test_without_time_it_ends_and_says_so():
    report = evaluate_to_precision(
        flow_of_width(1.2), FIELD, Precision("m2", 1e-9), 1e-6, first=512, batch_size=512
    )
    outcome = report["precision"]
    assert (outcome["reached"], outcome["stopped_by"]) == (False, "time")
    assert (outcome["samples"], outcome["rounds"]) == (512, 1)
    assert "not reached, the time was up" in precision_line(outcome)
    with pytest.raises(ValueError, match="max_seconds: got 0, expected a positive number"):
        evaluate_to_precision(flow_of_width(1.2), FIELD, Precision("m2", 1.0), 0)


def test_weights_that_are_not_to_be_trusted_reach_nothing():
    report = evaluate_to_precision(
        flow_of_width(0.2), FIELD, Precision("m2", 100.0), 0.001, first=4096
    )
    assert report["pareto_k"] > 0.7
    assert report["observables"]["m2"]["error"] < 100
    assert not report["precision"]["reached"]


def test_rounds_grow_by_a_factor_up_to_the_memory():
    drawn = []

    def draw(count):
        drawn.append(count)
        return count

    outcome = grow(draw, lambda: (1.0, True), Precision("m2", 0.1), 100, 1e6, 700)
    assert drawn == [100, 100, 200, 300]
    assert (outcome["stopped_by"], outcome["samples"]) == ("memory", 700)


def test_chains_grow_until_the_error_with_their_autocorrelation_is_small():
    energy = Ising(4)
    chains = GrowingChains.by_method(energy, 16, 1, "auto")
    report, states = simulate_to_precision(
        chains, energy, Precision("m2", 0.006), states=32, seed=1
    )
    outcome = report["precision"]
    assert outcome["reached"]
    assert outcome["rounds"] > 1
    assert outcome["samples"] == 16 * report["states"] == states.energies.numel()
    row = report["observables"]["m2"]
    assert outcome["error"] == row["error"] <= 0.006
    assert row["tau"] > 0.5
    assert abs(row["sigmas"]) < 4
    whole = reference_samples(energy, chains=16, states=report["states"], seed=1)
    assert torch.equal(whole.samples, states.samples)
    assert reference_report(energy, whole, seed=1)["observables"] == report["observables"]


def test_chains_that_are_too_short_for_their_error_reach_nothing():
    energy = Ising(4)
    chains = GrowingChains.by_method(energy, 2, 1, "cluster")
    report, _ = simulate_to_precision(chains, energy, Precision("m2", 10.0), 1e-6, states=4)
    assert report["observables"]["m2"]["error"] < 10
    assert (report["precision"]["reached"], report["precision"]["rounds"]) == (False, 1)
