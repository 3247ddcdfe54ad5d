"""What is known of an energy belongs to it alone, and not to a class with another energy."""

from abc import abstractmethod
from inspect import getattr_static, signature

import pytest
import torch
from all_energies import ENERGIES
from plain_energy import Wells

from rgflow.energies import XY, Energy, GaussianField, Ising, Phi4, as_energy
from rgflow.energies.gradient import minus_gradient
from rgflow.energies.offers import OFFERS
from rgflow.energies.symmetries import is_even
from rgflow.montecarlo.methods import best_method

TILT = 0.3


class Tilted:
    """Adds a tilt to the energy of the next class."""

    def energy(self, x):
        return super().energy(x) + TILT * x.sum((1, 2, 3))


def changed(name, *, by):
    """An energy of the package whose class, or a mix-in, overrides ``energy``."""
    model = ENERGIES[name]()
    ours, side = type(model), model.event_shape[-1]
    arguments = [getattr(model, argument, side) for argument in signature(ours).parameters]
    if by == "override":
        members = {"energy": lambda self, x: ours.energy(self, x) + TILT * x.sum((1, 2, 3))}
        return type("Changed", (ours,), members)(*arguments)
    return type("Changed", (Tilted, ours), {})(*arguments)


@pytest.mark.parametrize("by", ["override", "mix-in"])
@pytest.mark.parametrize("name", ENERGIES)
def test_another_energy_inherits_nothing_that_is_known(name, by):
    energy, ours = changed(name, by=by), ENERGIES[name]()
    for offer in OFFERS:
        assert getattr_static(type(energy), offer) is vars(Energy)[offer], offer
    assert energy.log_z is energy.spectrum is energy.physical is energy.cluster_hopping is None
    assert energy.exact_observables() == {}
    assert best_method(energy) == "hmc"
    assert not is_even(energy)  # the tilt is seen, whatever the parent declares
    x = torch.randn(3, *energy.event_shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(energy.force(x), ours.force(x) - TILT, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(energy.scaled(0.5).energy(x), energy.energy(x) / 2)
    assert as_energy(energy) is energy


@pytest.mark.parametrize("name", ENERGIES)
def test_a_class_with_the_same_energy_keeps_all_that_is_known(name):
    ours = type(ENERGIES[name]())
    named = type("Named", (ours,), {"label": "mine"})
    for offer in OFFERS:
        assert getattr_static(named, offer) is getattr_static(ours, offer)


def test_what_a_class_defines_beside_its_energy_is_its_own():
    class Shifted(GaussianField):
        log_z = 1.5

        def energy(self, x):
            return super().energy(x - 1)

        def sample(self, n, generator):
            return super().sample(n, generator) + 1  # of the parent: asked for by name

    class Again(Shifted):
        def energy(self, x):
            return super().energy(2 * x)

    model = Shifted(4, 0.5)
    assert model.log_z == 1.5
    assert best_method(model) == "exact"
    assert model.spectrum is None
    assert best_method(Again(4, 0.5)) == "hmc"
    assert Again(4, 0.5).log_z is None


def test_what_was_written_for_energies_to_come_is_kept():
    class Known:
        cluster_hopping = 2.0

    class Even(Energy):
        even = True

        @abstractmethod
        def energy(self, x): ...

    class Mine(Known, Even):
        def energy(self, x):
            return x.square().sum((1, 2, 3))

    assert (Mine((1, 2, 2)).cluster_hopping, Mine((1, 2, 2)).even) == (2.0, True)


def test_angles_of_another_energy_are_no_xy_model():
    class Clock(XY):
        def angle_energy(self, angles):
            return super().angle_energy(angles) - torch.cos(4 * angles).sum((1, 2, 3))

    model = Clock(4, 0.0)
    assert XY(4, 0.0).log_z is not None
    assert model.log_z is model.physical is model.cluster_hopping is None
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.force(x), minus_gradient(model.energy, x))


def test_a_plain_class_does_not_inherit_it_either():
    class Known(Wells):
        log_z, even = 1.5, True

        def energy(self, x):
            return 2 * super().energy(x)

        def sample(self, n, generator):
            return torch.zeros(n, *self.event_shape)

    class Changed(Known):
        def energy(self, x):
            return super().energy(x + 1)

    assert as_energy(Known()).log_z == 1.5
    energy = as_energy(Changed())
    assert energy.log_z is energy.sample is energy.even is None


def test_ours_declare_what_they_know():
    assert Ising(4).cluster_hopping == Ising(4).coupling
    assert Phi4(4, 1.0, 0.0).gaussian
    assert not Phi4(4, 1.0, 1.0).gaussian
    assert XY(4, 1.0).physical.kind == "angles"
    assert GaussianField(4, 1.0).physical is None
