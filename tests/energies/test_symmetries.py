"""Symmetries are found, and so are small violations of them on large lattices."""

import math

import pytest
import torch
from all_energies import ENERGIES
from torch import nn

from rgflow.energies import ComplexPhi4, Energy, Ising, Phi4, as_energy
from rgflow.energies.symmetries import (
    is_even,
    is_phase_invariant,
    is_translation_invariant,
    seems_even,
    seems_translation_invariant,
)
from rgflow.lattice.phases import turned_phases


class Added:
    """A sound energy and something small."""

    def __init__(self, more, side=64):
        self.inner, self.more = Phi4(side, -4.0, 4.4), more
        self.event_shape = self.inner.event_shape

    def energy(self, x):
        return self.inner.energy(x) + self.more(x).sum((1, 2, 3))


@pytest.mark.parametrize("name", ENERGIES)
def test_the_energies_of_the_package_have_both(name):
    energy = ENERGIES[name]()
    assert energy.even
    assert energy.translation_invariant
    assert seems_even(energy)
    assert seems_translation_invariant(energy)


BUMP = torch.zeros(64, 64)
BUMP[3, 5] = 1e-3
STRIPES = 1e-3 * (torch.arange(64) % 2)
ADDED = {
    "tilt": (lambda x: 1e-4 * x, False, True),
    "cubic": (lambda x: 1e-4 * x**3, False, True),
    "impurity": (lambda x: BUMP.to(x) * x**2, True, False),
    "stripes of rows": (lambda x: STRIPES.to(x)[:, None] * x**2, True, False),
    "stripes of columns": (lambda x: STRIPES.to(x) * x**2, True, False),
    "local field": (lambda x: BUMP.to(x) * x, False, False),
    "walls": (lambda x: nn.functional.pad(x[..., 1:] - x[..., :-1], (0, 1)) ** 2, True, False),
    "invariant": (lambda x: (x - x.roll((1, 2), (-1, -2))) ** 4, True, True),
}


class Single(Added):
    """Computes in single precision, whatever it is given."""

    def energy(self, x):
        return super().energy(x.float()).double()


def test_rounding_of_single_precision_breaks_no_symmetry():
    assert is_translation_invariant(Single(ADDED["invariant"][0]))
    assert not is_translation_invariant(Single(lambda x: STRIPES.to(x) * 100 * x**2))


@pytest.mark.parametrize("name", ADDED)
def test_small_violations_are_seen(name):
    more, even, invariant = ADDED[name]
    energy = Added(more)
    assert is_even(energy) == even
    assert is_translation_invariant(energy) == invariant


def test_an_energy_of_single_precision_alone():
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 3, 3, padding=1, padding_mode="circular", bias=False)

    class Net:
        event_shape = (1, 32, 32)

        def energy(self, x):
            return layer(x).cosh().log().sum((1, 2, 3))

    assert is_even(Net())
    assert is_translation_invariant(Net())
    layer.padding_mode = "zeros"
    assert not is_translation_invariant(Net())


def test_what_is_not_finite_is_no_violation():
    class Bounded:
        event_shape = (1, 4, 4)

        def energy(self, x):
            return -(2.5 - x.abs()).log().sum((1, 2, 3))

    assert is_even(Bounded())
    assert is_even(Ising(4))


def tilted(kind, **declared):
    """Phi4 with a tilt of the rows, as a user writes it: neither even nor invariant."""
    tilt = 0.1 * torch.arange(4.0)[:, None]

    def energy(self, x):
        return Phi4(4, -1.0, 1.0).energy(x) + (tilt.to(x) * x).sum((1, 2, 3))

    members = {"energy": energy, "event_shape": (1, 4, 4), **declared}
    if kind == "plain object":
        return type("Tilted", (), members)()
    if kind == "Energy":
        del members["event_shape"]
        return type("Tilted", (Energy,), members)((1, 4, 4))
    del members["event_shape"]
    return type("Tilted", (Phi4,), members)(4, -1.0, 1.0)


KINDS = ("plain object", "Energy", "subclass of Phi4")


@pytest.mark.parametrize("kind", KINDS)
def test_declared_symmetries_are_tried(kind):
    for member in ("even", "translation_invariant"):
        with pytest.raises(ValueError, match=f"Tilted.{member}: got True, but random fields"):
            as_energy(tilted(kind, **{member: True}))
        with pytest.raises(ValueError, match=f"Tilted.{member}: got 'yes'"):
            as_energy(tilted(kind, **{member: "yes"}))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_declared_is_found_and_what_is_declared_is_believed(kind):
    undeclared = as_energy(tilted(kind))
    assert undeclared.even is undeclared.translation_invariant is None
    assert not is_even(undeclared)
    assert not is_translation_invariant(undeclared)

    def energy(self, x):
        return x.square().sum((1, 2, 3))

    symmetric = as_energy(tilted(kind, energy=energy))
    assert is_even(symmetric)
    assert is_translation_invariant(symmetric)
    declared = as_energy(tilted(kind, energy=energy, even=False, translation_invariant=True))
    assert not is_even(declared)
    assert is_translation_invariant(declared)


def test_a_turn_of_phases_is_a_product_of_complex_numbers():
    x = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    angles = torch.tensor([0.0, 0.4, math.pi], dtype=torch.float64)
    turned = torch.complex(*x.unbind(1)) * torch.polar(torch.ones_like(angles), angles).view(
        3, 1, 1
    )
    found = turned_phases(x, angles)
    assert torch.allclose(torch.complex(*found.unbind(1)), turned)
    assert torch.equal(found[0], x[0])


@pytest.mark.parametrize("name", ENERGIES)
def test_only_the_complex_field_has_phases_to_turn(name):
    assert is_phase_invariant(ENERGIES[name]()) == (name == "complex_phi4")


def test_a_small_term_that_pins_the_phase_is_seen():
    class Pinned(ComplexPhi4):
        def energy(self, x):
            real, imaginary = x.unbind(1)
            pinned = real**4 - 6 * real**2 * imaginary**2 + imaginary**4  # cos(4 theta)
            return super().energy(x) + 1e-4 * pinned.sum((1, 2))

    assert is_phase_invariant(ComplexPhi4(32, 1.0, -2.0, 1.0).scaled(0.5))
    assert not is_phase_invariant(Pinned(32, 1.0, -2.0, 1.0))
