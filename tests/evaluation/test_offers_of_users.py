"""What a user's plain object offers is used in reports, figures and Monte Carlo as ours is."""

import sys

import pytest
import torch

from rgflow import Flow
from rgflow.bijectors import CirculantRoot
from rgflow.energies import XY, GaussianField, Ising, Phi4, PhysicalVariables, as_energy
from rgflow.energies.exact import ising_brute_force
from rgflow.energies.from_config import build_energy
from rgflow.energies.offers import OBSERVABLES
from rgflow.evaluation import draw_weighted, evaluate_energy, evaluation_figure
from rgflow.evaluation.figure import reference_figure
from rgflow.evaluation.observables_table import energy_report, two_point_report
from rgflow.montecarlo.methods import best_method
from rgflow.montecarlo.reference import reference_samples
from rgflow.priors import Gaussian
from rgflow.statistics import mean_with_error

MODULE = '''
"""A user's module: classes of its own, none of which derives from those of the package."""
import math
import torch
from rgflow.energies import Ising, PhysicalVariables


class Spins:
    """The Ising model, with its dual field in the user's words."""

    def __init__(self, side, coupling):
        self.dual = Ising(side, coupling)
        self.event_shape, self.coupling = (1, side, side), coupling
        self.log_z = self.dual.log_z

    def energy(self, x):
        return self.dual.energy(x)

    def exact_observables(self):
        return self.dual.exact_observables() | {"field_m2": 2.5}

    @property
    def physical(self):
        return PhysicalVariables(
            "spins",
            draw=self.dual.spins,
            energy=self.interaction,
            mean=lambda x: x.double().tanh(),
            field=self.dual.field,
        )

    def interaction(self, s):
        bonds = s * (s.roll(-1, -1) + s.roll(-1, -2))
        return -self.coupling * bonds.sum((1, 2, 3), dtype=torch.float64)

    @property
    def cluster_hopping(self):
        return self.coupling


class Rotors:
    """The XY model."""

    def __init__(self, side, coupling):
        self.event_shape, self.coupling = (1, side, side), coupling
        self.cluster_hopping = coupling

    def energy(self, x):
        normal = x.square() / 2 - math.log(2 * math.pi) / 2
        return self.interaction(self.angles(x)) + normal.sum((1, 2, 3))

    def angles(self, x):
        return math.pi * torch.erf(x / math.sqrt(2))

    def interaction(self, a):
        bonds = torch.cos(a.roll(-1, -2) - a) + torch.cos(a.roll(-1, -1) - a)
        return -self.coupling * bonds.sum((1, 2, 3))

    def field(self, a, generator):
        turns = a / (2 * math.pi)
        return math.sqrt(2) * torch.erfinv(2 * (turns - turns.round()))

    @property
    def physical(self):
        return PhysicalVariables(
            "angles",
            draw=lambda x, generator: self.angles(x),
            energy=self.interaction,
            field=self.field,
            force=self.torque,
        )

    def torque(self, a):
        moves = [(step, axis) for axis in (-2, -1) for step in (1, -1)]
        return self.coupling * sum((a.roll(*move) - a).sin() for move in moves)
'''


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Builds an energy of the user's module as a configuration node names it."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "offers_of_a_user.py").write_text(MODULE)
    sys.path.insert(0, str(folder))
    yield lambda name, **arguments: build_energy(
        {"_target_": f"offers_of_a_user.{name}", **arguments}, trust=["offers_of_a_user"]
    )
    sys.path.remove(str(folder))
    sys.modules.pop("offers_of_a_user", None)


PAIRS = {"Spins": (Ising, 0.3), "Rotors": (XY, 0.9)}


def white_flow(side=4):
    return Flow(CirculantRoot(torch.full((side, side), 1.5)), Gaussian((1, side, side)))


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("Spins", "auto"),
        ("Spins", "cluster"),
        ("Rotors", "auto"),
        ("Rotors", "cluster"),
        ("Rotors", "hmc"),
    ],
)
def test_monte_carlo_moves_the_variables_that_a_user_offers(name, method, built):
    ours, coupling = PAIRS[name]
    mine, theirs = built(name, side=4, coupling=coupling), ours(4, coupling)
    assert best_method(mine) == best_method(theirs) == "cluster"
    one, other = (
        reference_samples(energy, chains=4, states=20, seed=1, method=method)
        for energy in (mine, theirs)
    )
    assert one.method == other.method
    assert torch.equal(one.samples, other.samples)


def assert_alike(one, other):
    """Numbers of two rows agree; None stands for a number that is not known."""
    assert list(one) == list(other)
    for name, value in one.items():
        assert value == (None if other[name] is None else pytest.approx(other[name], rel=1e-4))


@pytest.mark.parametrize("name", PAIRS)
def test_reports_have_the_rows_that_a_user_offers(name, built):
    ours, coupling = PAIRS[name]
    mine, theirs = built(name, side=4, coupling=coupling), ours(4, coupling)
    reference = reference_samples(theirs, chains=8, states=40, seed=2)
    one, other = (
        evaluate_energy(white_flow(), energy, samples=2000, reference=reference, seed=3)
        for energy in (mine, theirs)
    )
    assert one["energy"]["name"] == name
    for key in ("observables", "reference_observables"):
        if name == "Spins":
            assert one[key]["field_m2"].pop("exact") == 2.5
            assert one[key]["field_m2"].pop("sigmas") is not None
        assert list(one[key]) == list(other[key])
        for row in one[key]:
            assert_alike(one[key][row], other[key][row])
    assert ("exact" in one["observables"]["m2"]) == (name == "Spins")
    for mine, theirs in zip(one["two_point"], other["two_point"], strict=True):
        assert_alike(mine, theirs)
    assert one["two_point"][0]["value"] == 1


@pytest.mark.parametrize("name", PAIRS)
def test_figures_show_the_variables_that_a_user_offers(name, built):
    ours, coupling = PAIRS[name]
    mine, theirs = built(name, side=4, coupling=coupling), ours(4, coupling)
    drawn = draw_weighted(white_flow(), theirs, 100)
    chains = reference_samples(theirs, chains=4, states=20)
    for draw in (
        lambda energy: evaluation_figure(energy, drawn, chains),
        lambda energy: reference_figure(energy, chains),
    ):
        one, other = (
            [axis.images[0].get_array() for axis in draw(energy).axes if axis.images]
            for energy in (mine, theirs)
        )
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
    values = one[0].flatten().tolist()
    assert (set(values) <= {-1, 1}) == (name == "Spins")


class Hopping:
    """phi^4 by a user who tells the hopping, and no more."""

    event_shape = (1, 4, 4)
    cluster_hopping = 2.0

    def energy(self, x):
        return Phi4(4, -4.0, 6.0).energy(x)


def test_clusters_of_a_field_need_the_hopping_alone():
    mine = as_energy(Hopping())
    assert best_method(mine) == "cluster"
    one, other = (
        mean_with_error(
            reference_samples(energy, chains=64, states=128, seed=seed).samples.mean((-3, -2, -1))
            ** 2
        )
        for seed, energy in enumerate((mine, Phi4(4, -4.0, 6.0)))
    )
    assert abs(one.value - other.value) < 4 * (one.error + other.error) < 0.2 * other.value


class Undifferentiated(XY):
    """Offers the angles without the force on them."""

    @property
    def physical(self):
        return super().physical._replace(force=None)


def test_angles_without_a_force_are_moved_by_its_derivative():
    one, other = (
        mean_with_error(reference_samples(energy, chains=32, states=64, seed=seed).energies)
        for seed, energy in enumerate((Undifferentiated(4, 0.9), XY(4, 0.9)))
    )
    assert abs(one.value - other.value) < 4 * (one.error + other.error) < 3


class Drawn(Hopping):
    """The Ising model by a user who can draw spins, but knows neither means nor the field."""

    cluster_hopping = 0.3

    def energy(self, x):
        return Ising(4, 0.3).energy(x)

    @property
    def physical(self):
        model = Ising(4, 0.3)
        return PhysicalVariables("spins", model.spins, model.spin_energy)


def test_spins_that_can_only_be_drawn_are_measured_by_drawing():
    energy, exact = as_energy(Drawn()), ising_brute_force(4, 4, 0.3)
    assert best_method(energy) == "hmc"
    with pytest.raises(ValueError, match="got 'cluster' for UserEnergy"):
        reference_samples(energy, method="cluster")
    run = reference_samples(Ising(4, 0.3), chains=32, states=128, seed=4)
    rows = energy_report(energy, run.samples, run.energies)
    assert abs(rows["m2"].value - exact.m2) < 4 * rows["m2"].error < 0.1 * exact.m2
    points = two_point_report(energy, run.samples)
    assert points[0] == (1, 0, 0.5)
    neighbours = -exact.energy / 2
    assert abs(points[1].value - neighbours) < 4 * points[1].error < 0.1 * neighbours


class Stretched:
    """A free field phi = 3 x, in two components: the physical variables are of the kind field."""

    event_shape = (1, 4, 4)

    def energy(self, x):
        return GaussianField(4, 0.5).energy(3 * x)

    @property
    def physical(self):
        return PhysicalVariables(
            "field",
            lambda x, generator: torch.cat([3 * x, 0 * x], 1),
            lambda v: GaussianField(4, 0.5).energy(v[:, :1]),
        )

    def exact_observables(self):
        return GaussianField(4, 0.5).exact_observables()

    def exact_two_point(self):
        return GaussianField(4, 0.5).exact_two_point()


def test_a_field_that_is_a_function_of_the_flow_s_is_measured_and_shown():
    energy = as_energy(Stretched())
    flow = Flow(CirculantRoot(GaussianField(4, 0.5).spectrum / 9), Gaussian((1, 4, 4)))
    report = evaluate_energy(flow, energy, samples=4000)
    m2, of_field = report["observables"]["m2"], report["observables"]["field_m2"]
    assert abs(m2["sigmas"]) < 4
    assert of_field["value"] == pytest.approx(m2["value"] / 9, rel=1e-4)
    assert all(abs(point["sigmas"]) < 4 for point in report["two_point"])
    figure = evaluation_figure(energy, draw_weighted(flow, energy, 50))
    assert any("|m|" in axis.get_xlabel() for axis in figure.axes)
    assert "first component" in figure.subfigs[0].get_suptitle()


def test_rows_have_the_names_that_energies_know():
    field = GaussianField(4, 0.5)
    x = field.sample(100, torch.Generator().manual_seed(0))
    assert tuple(energy_report(field, x, field.energy(x))) == OBSERVABLES
