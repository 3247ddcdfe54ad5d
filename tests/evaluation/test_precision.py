"""Samples until the error of a named row is small enough."""

import math

import pytest
import torch

from rgflow import Flow
from rgflow.bijectors import CirculantRoot
from rgflow.energies import GaussianField, Ising
from rgflow.evaluation import draw_weighted, evaluate_energy, reference_report
from rgflow.evaluation import precision as precision_module
from rgflow.evaluation.precision import (
    Estimate,
    Precision,
    check_name,
    draw_in_rounds,
    precision_line,
)
from rgflow.evaluation.to_precision import evaluate_to_precision, simulate_to_precision
from rgflow.montecarlo.growing import GrowingChains
from rgflow.montecarlo.reference import reference_samples
from rgflow.priors import Gaussian

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


@pytest.mark.parametrize("error", [0.0, -0.1, math.nan, math.inf])
def test_an_error_that_cannot_be_reached_is_refused(error):
    with pytest.raises(ValueError, match="expected a positive error"):
        evaluate_to_precision(flow_of_width(1.2), FIELD, Precision("m2", error))


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
    report, drawn = evaluate_to_precision(flow, FIELD, asked, first=500, **counts)
    outcome = report["precision"]
    assert outcome["reached"]
    assert outcome["rounds"] == 2
    samples = outcome["samples"]
    # 1 / 0.6^2 times the first samples, a fifth more to be sure, and up to whole batches
    assert samples == report["samples"] == 512 * math.ceil(1.2 / 0.6**2)
    whole = evaluate_energy(flow, FIELD, samples=samples, **counts)
    assert without_times(report) == without_times(whole)
    assert torch.equal(drawn.samples, draw_weighted(flow, FIELD, samples, **counts).samples)
    assert outcome["error"] == error_of(whole, name) <= asked.error
    assert ": reached, " in precision_line(outcome)


def pulls_of_stopped_runs(first, factor, seeds=600):
    """Of means of squares of normal numbers, whose error is expected to be small enough after a
    factor times the first samples, and how many there were."""
    generator, pulls, sizes = torch.Generator().manual_seed(1), [], []
    asked = Precision("x", math.sqrt(2 / (factor * first)))
    for _ in range(seeds):
        parts = []

        def draw(count, end, parts=parts):
            parts.append(torch.randn(count, generator=generator, dtype=torch.float64).square())
            return count

        def measure(parts=parts):
            x = torch.cat(parts)
            return Estimate(float(x.std()) / math.sqrt(len(x)), len(x), True)

        outcome = draw_in_rounds(draw, measure, asked, first, 1e6, 10**6)
        sizes.append(outcome["samples"])
        pulls.append((float(torch.cat(parts).mean()) - 1) / outcome["error"])
    return torch.tensor(pulls, dtype=torch.float64), sizes


def coverage(pulls, sigmas):
    return float((pulls.abs() < sigmas).double().mean())


@pytest.mark.parametrize(("factor", "bias"), [(1, 0.12), (2, 0.03)])
def test_quoted_intervals_cover_where_the_error_decides_the_end(factor, bias):
    """The worst case is a decision between the first round and one more."""
    pulls, sizes = pulls_of_stopped_runs(2048, factor)
    assert len(set(sizes)) > 1
    assert abs(pulls.mean()) < bias + 3 / math.sqrt(600)
    assert abs(coverage(pulls, 1) - 0.683) < 3 * math.sqrt(0.683 * 0.317 / 600)
    assert abs(coverage(pulls, 2) - 0.954) < 3 * math.sqrt(0.954 * 0.046 / 600)


def test_errors_of_a_few_samples_would_not_cover_and_do_not_count(monkeypatch):
    assert min(pulls_of_stopped_runs(16, 2, seeds=20)[1]) >= 1000
    monkeypatch.setattr(precision_module, "LEAST_INDEPENDENT", 0)
    pulls, _ = pulls_of_stopped_runs(16, 2)
    assert pulls.mean() < -0.4
    assert coverage(pulls, 1) < 0.63
    assert coverage(pulls, 2) < 0.9


def test_without_time_it_ends_and_says_so():
    report, _ = evaluate_to_precision(
        flow_of_width(1.2), FIELD, Precision("m2", 1e-9), 1e-6, first=512, batch_size=512
    )
    outcome = report["precision"]
    assert (outcome["reached"], outcome["stopped_by"]) == (False, "time")
    assert (outcome["samples"], outcome["rounds"]) == (512, 1)
    assert "not reached, the time was up" in precision_line(outcome)
    assert "(not to be trusted) after 512 samples in 1 round" in precision_line(outcome)
    with pytest.raises(ValueError, match="max_seconds: got 0, expected a positive number"):
        evaluate_to_precision(flow_of_width(1.2), FIELD, Precision("m2", 1.0), 0)


def test_weights_that_are_not_to_be_trusted_reach_nothing():
    report, _ = evaluate_to_precision(
        flow_of_width(0.2), FIELD, Precision("m2", 100.0), 0.001, first=4096
    )
    assert report["pareto_k"] > 0.7
    assert report["observables"]["m2"]["error"] < 100
    assert not report["precision"]["reached"]


def rounds_of(estimate, error=0.1, first=100, most=10**6):
    """Numbers of samples that are drawn, and the outcome; the estimate is one of their sum."""
    drawn = []

    def draw(count, end):
        drawn.append(count)
        return count

    asked = Precision("m2", error)
    return drawn, draw_in_rounds(draw, lambda: estimate(sum(drawn)), asked, first, 1e6, most)


def test_rounds_aim_at_what_is_needed_and_a_fifth_more():
    def estimate(samples):
        return Estimate(1 / math.sqrt(samples), 1e6, True)

    assert rounds_of(estimate, 0.1)[0] == [100]
    assert rounds_of(estimate, 1 / math.sqrt(250))[0] == [100, 200]
    drawn, outcome = rounds_of(estimate, 0.01)  # fourfold twice, then to 1.2e4
    assert drawn == [100, 300, 1200, 4800, 5600]
    assert (outcome["stopped_by"], outcome["samples"]) == ("precision", 12_000)
    drawn, outcome = rounds_of(estimate, 0.01, most=1000)
    assert drawn == [100, 300, 600]
    assert (outcome["stopped_by"], outcome["reached"]) == ("memory", False)


@pytest.mark.parametrize(
    ("error", "is_trusted"), [(math.inf, True), (math.nan, True), (1e-9, False)]
)
def test_an_error_that_is_not_known_is_not_small_enough(error, is_trusted):
    drawn, outcome = rounds_of(lambda samples: Estimate(error, 1e6, is_trusted), most=700)
    assert drawn == [100, 100, 200, 300]
    assert (outcome["stopped_by"], outcome["reached"]) == ("memory", False)
    assert outcome["error"] == (error if math.isfinite(error) else None)


def test_an_error_of_a_few_independent_samples_is_not_small_enough():
    drawn, outcome = rounds_of(lambda samples: Estimate(1e-9, samples / 10, True))
    assert drawn == [100, 300, 1200, 4800, 5600]
    assert outcome["independent"] == 1200


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


def test_a_round_ends_when_the_time_is_up():
    asked = Precision("m2", 1e-9)
    counts = {"first": 10**6, "batch_size": 512}
    outcome = evaluate_to_precision(flow_of_width(1.2), FIELD, asked, 1e-6, **counts)[0][
        "precision"
    ]
    assert (outcome["samples"], outcome["rounds"], outcome["stopped_by"]) == (512, 1, "time")
    chains = GrowingChains.by_method(FIELD, 2, 1, "exact")
    report, _ = simulate_to_precision(chains, FIELD, asked, 1e-6, states=10**6)
    assert (report["states"], report["precision"]["samples"]) == (16, 32)


def test_chains_that_are_too_short_for_their_error_reach_nothing():
    energy = Ising(4)
    chains = GrowingChains.by_method(energy, 2, 1, "cluster")
    report, _ = simulate_to_precision(chains, energy, Precision("m2", 10.0), 1e-6, states=4)
    assert report["observables"]["m2"]["error"] < 10
    assert "(not to be trusted) after 8 samples" in precision_line(report["precision"])
    assert (report["precision"]["reached"], report["precision"]["rounds"]) == (False, 1)
