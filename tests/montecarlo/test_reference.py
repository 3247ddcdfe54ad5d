import math

import pytest
import torch
from plain_energy import Wells

from rgflow.energies import XY, ComplexPhi4, GaussianField, Ising, Phi4, as_energy
from rgflow.energies.exact import ising_brute_force
from rgflow.evaluation.observables_table import energy_report, two_point_report
from rgflow.montecarlo import tuned_chains
from rgflow.montecarlo.methods import best_method
from rgflow.montecarlo.reference import reference_samples
from rgflow.montecarlo.tuned import mode_variances, scaled_start
from rgflow.observables import measure
from rgflow.statistics import mean_with_error


class Quadratic:
    """White noise, by a user who can sample it."""

    event_shape = (1, 4, 4)

    def energy(self, x):
        return x.square().sum((1, 2, 3)) / 2


class Sampled(Quadratic):
    def sample(self, n, generator):
        return torch.randn((n, *self.event_shape), generator=generator)


class Stiff(Quadratic):
    """Of a width far below one."""

    def energy(self, x):
        return 1e6 * super().energy(x)


class Field:
    """A free field whose user knows no spectrum."""

    event_shape = (1, 8, 8)

    def energy(self, x):
        return GaussianField(8, 0.01).energy(x)


GAUSSIAN = {  # name: energy, method, <m^2>
    "own sampler": (GaussianField(6, 0.5), "exact", 1 / 36),
    "accelerated": (Phi4(6, m2=0.5, lam=0.0), "hmc", 1 / 36),
    "clusters": (Phi4(6, m2=0.5, lam=0.0), "cluster", 1 / 36),
    "clusters of two channels": (ComplexPhi4(4, t=1.0, mu=2.5, lam=0.0), "cluster", 2 / 16),
    "two channels": (ComplexPhi4(4, t=1.0, mu=2.5, lam=0.0), "hmc", 2 / 16),
    "scaled": (GaussianField(6, 0.5).scaled(2.0), "hmc", 0.5 / 36),
    "a user's": (as_energy(Quadratic()), "hmc", 1 / 16),
    "stiff": (as_energy(Stiff()), "hmc", 1e-6 / 16),
    "measured masses": (as_energy(Field()), "hmc", 50 / 64),
    "a user's sampler": (as_energy(Sampled()), "exact", 1 / 16),
}


@pytest.mark.parametrize("name", GAUSSIAN)
def test_moments_are_exact_within_errors(name):
    energy, method, exact = GAUSSIAN[name]
    assert method in ("cluster", best_method(energy))
    run = reference_samples(energy, chains=32, states=128, seed=3, method=method)
    assert run.method == method
    assert run.samples.shape == (128, 32, *energy.event_shape)
    assert run.samples.dtype == torch.float32
    m2 = mean_with_error(measure(run.samples).m2)
    assert abs(m2.value - exact) < 4 * m2.error < 0.2 * exact
    sites = math.prod(energy.event_shape)  # of a Gaussian <E> = N / 2
    mean = mean_with_error(run.energies)
    assert abs(mean.value - sites / 2) < 4 * mean.error < 0.05 * sites
    assert torch.allclose(run.energies[5], energy.energy(run.samples[5]).double(), rtol=1e-5)


def test_a_law_that_is_not_gaussian():
    x = torch.linspace(-4, 4, 4001, dtype=torch.float64)
    law = torch.softmax(-((x**2 - 1) ** 2), 0)
    run = reference_samples(as_energy(Wells()), chains=32, states=128, seed=1)
    for power in (2, 4):
        got = mean_with_error(run.samples.double().pow(power).mean((-3, -2, -1)))
        exact = float((law * x**power).sum())
        assert abs(got.value - exact) < 4 * got.error < 0.05 * exact


class Rough(Wells):
    """Steps at every millionth of one site's value, which no leapfrog step follows."""

    def energy(self, x):
        return super().energy(x) + 50 * (1e6 * x[:, 0, 0, 0]).round().remainder(2)


class Hole(Wells):
    """No energy at positive values of one site."""

    def energy(self, x):
        return torch.where(x[:, 0, 0, 0] > self.edge, math.nan, super().energy(x))

    edge = 100.0


def test_an_energy_on_which_no_chain_can_move_is_refused():
    with pytest.raises(ValueError, match="chains keep their energies"):
        reference_samples(as_energy(Rough()), chains=8, states=4)
    energy = as_energy(Hole())
    energy.inner.edge = 0.0
    with pytest.raises(ValueError, match="of a start is not finite"):
        reference_samples(energy, chains=8, states=4)
    with pytest.raises(ValueError, match="every proposal was rejected"):
        mode_variances(torch.ones(4, 2, 1, 4, 4))


def test_one_chain_is_enough(recwarn):
    assert reference_samples(Phi4(4, 0.5, 1.0), chains=1, states=2).samples.shape[:2] == (2, 1)
    assert not recwarn.list


def test_the_gaussian_part_of_the_variances_is_measured():
    field = GaussianField(6, 0.3)
    x = field.sample(40 * 64, torch.Generator().manual_seed(0)).unflatten(0, (40, 64))
    x = x + 5 * torch.sign(torch.randn(64, 1, 1, 1))  # chains in different phases
    assert torch.allclose(mode_variances(x), field.spectrum * 39 / 40, rtol=0.15)


@pytest.mark.parametrize("method", ["cluster", "hmc"])
def test_masses_of_a_small_m2_are_not_taken_where_the_field_is_stiffer(method, monkeypatch):
    lengths = []
    tune = tuned_chains.TunedChains.tune

    def tune_and_note(self, *args):
        tune(self, *args)
        lengths.append((self.cost, self.masses))

    monkeypatch.setattr(tuned_chains.TunedChains, "tune", tune_and_note)
    reference_samples(Phi4(6, m2=1e-6, lam=1.0), chains=16, states=2, method=method)
    first, *others = (cost for cost, _ in lengths)
    assert len(others) == (3 if method == "cluster" else 2)
    assert min(others) < first / 10


@pytest.mark.parametrize(("width", "expected"), [(1e-3, 1e-3), (1.0, 1.0), (50.0, 50.0)])
def test_a_start_is_as_wide_as_the_law(width, expected):
    class Narrow(Quadratic):
        def energy(self, x):
            return super().energy(x / width)

    noise = torch.randn(64, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    x = scaled_start(as_energy(Narrow()), noise)
    assert 0.45 * expected < x.std() < 1.1 * expected


@pytest.mark.parametrize(("coupling", "method"), [(0.44, "cluster"), (0.44, "hmc"), (-0.3, "hmc")])
def test_spins_of_the_ising_model_are_exact_within_errors(coupling, method):
    energy, exact = Ising(4, coupling), ising_brute_force(4, 4, coupling)
    run = reference_samples(energy, chains=32, states=256, seed=1, method=method)
    assert coupling > 0 or best_method(energy) == "hmc"
    rows = energy_report(energy, run.samples, run.energies)
    answers = {
        "abs_m": exact.abs_m,
        "m2": exact.m2,
        "m4": exact.m4,
        "energy_per_site": coupling * exact.energy,
        "specific_heat": exact.specific_heat,
    }
    for name, answer in answers.items():
        assert abs(rows[name].value - answer) < 4 * rows[name].error < 0.4 * abs(answer), name


@pytest.mark.parametrize(
    ("energy", "method"),
    [
        (Phi4(4, -4.0, 6.0), "cluster"),
        (Phi4(4, 0.5, 6.0), "cluster"),
        (Phi4(4, 0.5, 0.0), "hmc"),
        (ComplexPhi4(4, t=1.0, mu=1.0, lam=0.5), "cluster"),
        (ComplexPhi4(4, t=-1.0, mu=1.0, lam=0.5), "hmc"),
        (XY(4, 1.0), "cluster"),
        (XY(4, -1.0), "hmc"),
    ],
)
def test_clusters_are_the_best_method_where_neighbours_attract(energy, method):
    assert best_method(energy) == method


def test_free_angles():
    energy = XY(4, coupling=0.0)
    run = reference_samples(energy, chains=16, states=64)
    # in x the law is standard normal
    m2 = mean_with_error(measure(run.samples).m2)
    assert abs(m2.value - 1 / 16) < 4 * m2.error < 0.02
    row = energy_report(energy, run.samples, run.energies)["m2"]  # of unit vectors
    assert abs(row.value - 1 / 16) < 4 * row.error < 0.02


@pytest.mark.parametrize("method", ["cluster", "hmc"])
def test_ring_of_angles_has_the_exact_bond(method):
    # on a side of 2 every bond is double: a ring of four sites with coupling 2J, whose bonds are
    # <cos> = sum_n I_n^3 I_n' / sum_n I_n^4
    from scipy.special import iv, ivp

    coupling, n = 0.4, range(-20, 21)
    energy = XY(2, coupling)
    exact = sum(iv(k, 0.8) ** 3 * ivp(k, 0.8) for k in n) / sum(iv(k, 0.8) ** 4 for k in n)
    run = reference_samples(energy, chains=32, states=128, method=method)
    assert run.method == method
    bonds = [energy.angle_energy(energy.angles(x)) / (-8 * coupling) for x in run.samples]
    got = mean_with_error(torch.stack(bonds))
    assert abs(got.value - exact) < 4 * got.error < 0.05
    first, second = two_point_report(energy, run.samples)
    assert first == (1, 0, 0.5)
    assert abs(second.value - exact) < 4 * second.error < 0.05
    per_site = energy_report(energy, run.samples, run.energies)["energy_per_site"]
    assert abs(per_site.value + 2 * coupling * exact) < 4 * per_site.error < 0.05


def test_seeds_and_time_budget():
    energy = Ising(4)
    one, same, other = (
        reference_samples(energy, chains=2, states=20, seed=seed).samples for seed in (0, 0, 1)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    timed = reference_samples(energy, chains=2, states=20, seconds=0.05)
    assert torch.equal(timed.samples[:16], one[:16])
    assert timed.seconds >= 0.05


@pytest.mark.parametrize(
    ("energy", "settings", "words"),
    [
        (Ising(4), {"chains": 0}, "chains=0"),
        (Ising(4), {"seconds": math.nan}, "seconds=nan"),
        (Ising(4), {"method": "exact"}, "sample"),
        (Ising(4, -0.3), {"method": "cluster"}, "coupling"),
        (XY(4, -0.3), {"method": "cluster"}, "coupling"),
        (GaussianField(4, 0.5), {"method": "cluster"}, "Ising"),
        (Phi4(4, -4.0, 6.0), {"method": "heatbath"}, "heatbath"),
    ],
)
def test_wrong_arguments_are_refused(energy, settings, words):
    with pytest.raises(ValueError, match=words):
        reference_samples(energy, **settings)
