import math

import pytest
import torch
from gaussian_target import GaussianTarget, seeded

from rgflow import observables as o
from rgflow.energies import Ising
from rgflow.energies.exact import CRITICAL_COUPLING, ising_m2
from rgflow.evaluation.observables_table import observable_report, two_point_report
from rgflow.montecarlo import hmc, swendsen_wang
from rgflow.statistics import mean_with_error

TARGET = GaussianTarget(6, m2=0.8)
TARGET.physical = None
SHAPE = TARGET.event_shape


def exact_answers():
    """Of the free field: m is Gaussian, the energy a sum of squares."""
    propagator = 1 / TARGET.spectrum()
    m2 = float(propagator[0, 0]) / 36
    return {
        "m2": m2,
        "abs_m": math.sqrt(2 * m2 / math.pi),
        "m4": 3 * m2**2,
        "susceptibility": 36 * m2,
        "connected_susceptibility": 36 * m2 * (1 - 2 / math.pi),
        "binder": 0.0,
        "energy_per_site": 0.5,
        "specific_heat": 0.5,
        "correlation_length": 1 / math.sqrt(0.8),
    }


def weighted_samples(n, generator):
    """Samples of a slightly lighter free field, with their weights."""
    proposal = GaussianTarget(6, m2=0.7)
    x = proposal.sample(n, generator)
    return x, proposal.energy(x) + proposal.log_z() - TARGET.energy(x)


def chains():
    start = TARGET.sample(50, seeded(1))
    return hmc(TARGET, start, steps=400, warmup=100, leapfrog_steps=4, generator=seeded())


def assert_agrees(report):
    exact = exact_answers()
    assert set(report) == set(exact)
    for name, (value, error, _) in report.items():
        assert abs(value - exact[name]) < 4 * error, name
        assert error < 0.06 * max(exact[name], 0.5), name


def test_report_of_weighted_samples_is_exact_within_errors():
    x, log_weights = weighted_samples(20_000, seeded())
    assert_agrees(observable_report(o.measure(x, TARGET.energy(x)), SHAPE, log_weights))


def test_reports_of_chains_are_exact_within_errors():
    run = chains()
    report = observable_report(o.measure(run.samples, run.energies), SHAPE)
    assert_agrees(report)
    g = torch.fft.ifft2(1 / TARGET.spectrum()).real
    points = two_point_report(TARGET, run.samples)
    assert len(points) == 4
    for r, point in enumerate(points):
        assert abs(point.value - float(g[0, r])) < 4 * point.error < 0.1 * float(g[0, 0])


def test_two_point_function_of_weighted_samples():
    x, log_weights = weighted_samples(20_000, seeded(2))
    g = torch.fft.ifft2(1 / TARGET.spectrum()).real
    for r, point in enumerate(two_point_report(TARGET, x, log_weights)):
        assert abs(point.value - float(g[0, r])) < 4 * point.error < 0.1 * float(g[0, 0])


@pytest.mark.parametrize("weighted", [True, False])
def test_quoted_intervals_cover(weighted):
    x, log_weights = weighted_samples(200 * 500, seeded(3))
    if not weighted:
        x = TARGET.sample(200 * 500, seeded(3))
    moments = o.measure(x, TARGET.energy(x))
    exact = exact_answers()
    hits = dict.fromkeys(("m2", "specific_heat", "correlation_length"), 0)
    for part in range(200):
        rows = slice(500 * part, 500 * (part + 1))
        one = o.Moments(*(values[rows] for values in moments))
        report = observable_report(one, SHAPE, log_weights[rows] if weighted else None)
        for name in hits:
            hits[name] += abs(report[name].value - exact[name]) < report[name].error
    assert all(120 <= count <= 152 for count in hits.values()), hits


def test_report_leaves_out_what_was_not_measured():
    x = 0.5 * torch.randn(100, 1, 4, 4, generator=seeded())
    means = x.double().tanh()
    moments = o.measure_independent_spins(means, Ising(4).spin_energy(means))
    report = observable_report(moments, (1, 4, 4))
    assert set(report) == {
        "m2", "m4", "susceptibility", "binder", "energy_per_site", "correlation_length"
    }  # fmt: skip


def test_ising_at_criticality():
    run = swendsen_wang(8, 8, CRITICAL_COUPLING, sweeps=300, chains=100, warmup=40,
                        generator=seeded())  # fmt: skip
    report = observable_report(o.measure(run.samples[:, :, None], run.energies), (1, 8, 8))
    assert abs(report["m2"].value - ising_m2(8, CRITICAL_COUPLING)) < 4 * report["m2"].error < 0.02
    assert 0.5 < report["m2"].tau < 10
    assert 0.6 < report["binder"].value < 0.63  # 0.6107 on large lattices


def test_two_point_function_of_spins_is_that_of_drawn_ones():
    energy = Ising(6, 0.4)
    spins = swendsen_wang(6, 6, 0.4, sweeps=200, chains=20, warmup=40, generator=seeded()).samples
    x = energy.field(spins.flatten(0, 1)[:, None].float(), seeded(1)).unflatten(0, (200, 20))
    drawn = o.two_point_on_axes(spins[:, :, None].double())
    for r, point in enumerate(two_point_report(energy, x)[1:], start=1):
        other = mean_with_error(drawn[..., r])
        error = math.hypot(point.error, other.error)
        assert abs(point.value - other.value) < 4 * error < 0.15 * other.value
