"""Energies from users: wrapped, tried, refused."""

import math

import pytest
import torch
from plain_energy import Wells
from torch import nn

from rgflow.energies import Energy, Phi4, PhysicalVariables, as_energy
from rgflow.lattice.operators import bond_sum


class Module(nn.Module):
    event_shape = (1, 2, 2)
    log_z = 1.5

    def __init__(self):
        super().__init__()
        self.register_buffer("stiffness", torch.tensor(2.0))

    def energy(self, x):
        return self.stiffness * x.square().sum((1, 2, 3))

    def force(self, x):
        return -2 * self.stiffness * x


NAN = math.nan


def broken(**attributes):
    return type("Broken", (), attributes)()


def test_a_plain_object():
    energy = as_energy(Wells())
    assert energy.event_shape == (1, 4, 4)
    assert energy.log_z is None
    assert energy.spectrum is None
    x = torch.randn(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        force = energy.force(x)
    torch.testing.assert_close(force, -4 * x * (x**2 - 1))
    torch.testing.assert_close(energy.scaled(0.5).energy(x), 0.5 * energy.energy(x))
    with pytest.raises(ValueError, match="expected"):
        energy.energy(x[..., :2])


def test_a_module_is_registered_and_its_own_methods_are_used():
    energy = as_energy(Module())
    assert [name for name, _ in energy.named_buffers()] == ["inner.stiffness"]
    x = torch.ones(2, 1, 2, 2, dtype=torch.float64)
    assert energy.double().energy(x).dtype == torch.float64
    assert torch.equal(energy.force(x), -4 * x)
    assert energy.log_z == 1.5


def test_an_energy_stays_what_it_is():
    model = Phi4(4, -4.0, 6.0)
    assert as_energy(model) is model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (broken(energy=lambda self, x: x), "Broken.event_shape: got None"),
        (broken(event_shape="144", energy=lambda self, x: x), "Broken.event_shape: got '144'"),
        (broken(event_shape=(1, 0), energy=lambda self, x: x), "positive sizes"),
        (broken(event_shape=(1, 4, 4)), "no method energy"),
        (broken(event_shape=(1, 4, 4), energy=lambda self, x: x.sum()), r"got \(\) for a batch"),
        (broken(event_shape=(1, 4, 4), energy=lambda self, x: 3.0), "got float for a batch"),
        (
            broken(event_shape=(1, 4, 4), energy=lambda self, x: x.sum((1, 2))),
            r"got \(5, 4\) for a batch",
        ),
        (
            broken(event_shape=(1, 4, 4), energy=lambda self, x: x.sum((1, 2, 3)).log()),
            "expected finite",
        ),
    ],
)
def test_what_is_no_energy_is_refused(model, message):
    with pytest.raises(ValueError, match=message):
        as_energy(model)


def mixing(kind):
    """An energy that takes the mean of the batch off, as each kind of user writes it."""

    def energy(self, x):
        return (x - x.mean(0)).square().sum((1, 2, 3))

    if kind == "plain object":
        return broken(event_shape=(1, 4, 4), energy=energy)
    base, arguments = {"Energy": (Energy, [(1, 4, 4)]), "Phi4": (Phi4, [4, 1.0, 1.0])}[kind]
    return type("Broken", (base,), {"energy": energy})(*arguments)


@pytest.mark.parametrize("kind", ["plain object", "Energy", "Phi4"])
def test_samples_that_influence_each_other_are_refused(kind):
    with pytest.raises(ValueError, match="samples of a batch do not influence each other"):
        as_energy(mixing(kind))


def test_a_force_of_the_batch_is_refused():
    """Though it is within the tolerance of the derivative."""
    made = broken(
        event_shape=(1, 4, 4),
        energy=lambda self, x: x.square().sum((1, 2, 3)),
        force=lambda self, x: -2 * x + 0.02 * x.mean(0),
    )
    with pytest.raises(ValueError, match=r"Broken.force: .* alone and in a batch"):
        as_energy(made)


@pytest.mark.parametrize("strength", [1.0, 1e-4])
def test_weak_influence_is_seen_too(strength):
    def energy(self, x):
        return x.square().sum((1, 2, 3)) + strength * x.std()

    with pytest.raises(ValueError, match="never over the first axis"):
        as_energy(broken(event_shape=(1, 4, 4), energy=energy))


def own(**attributes):
    """A sound energy with something more."""
    return type("Own", (Wells,), attributes)()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (own(energy=lambda self, x: x.detach().square().sum((1, 2, 3))), "differentiated"),
        (own(energy=lambda self, x: x.round().square().sum((1, 2, 3))), "derivative that is zero"),
        (own(energy=lambda self, x: x.abs().sqrt().sub(9).abs().sum((1, 2))), r"\(5, 4\)"),
        (own(energy=lambda self, x: x @ "a"), "Own.energy: got TypeError"),
        (own(force=lambda self, x: 4 * x * (x**2 - 1)), "Own.force: got .* where -dE/dx is"),
        (own(force=lambda self, x: x.sum()), r"Own.force: got \(\)"),
        (own(force=lambda self: 0), "Own.force: got TypeError"),
        (own(log_z=lambda self: 3.0), "Own.log_z: got TypeError"),
        (own(log_z=float("nan")), "Own.log_z: got nan"),
        (own(spectrum=torch.ones(4, 3)), "Own.spectrum"),
        (own(spectrum=torch.full((4, 4), torch.inf)), "Own.spectrum"),
        (
            own(spectrum=torch.arange(1.0, 17).view(4, 4)),
            "Own.spectrum: .* the same values at k and -k",
        ),
        (own(spectrum=property(lambda self: 1 + "a")), "Own.spectrum: got TypeError"),
        (own(gaussian=True), "Own.gaussian: got True without a spectrum"),
        (own(gaussian=True, spectrum=torch.ones(4, 4)), "Own.gaussian: got True for an energy"),
        (own(exact_two_point=lambda self: torch.ones(4)), r"Own.exact_two_point: got \(4,\)"),
        (own(exact_observables={"m2": 1.0}), "Own.exact_observables: got TypeError"),
        (own(exact_observables=lambda self: {"m_2": 1.0}), "Own.exact_observables: got {'m_2'"),
        (own(exact_observables=lambda self: {"m2": NAN}), "expected finite numbers"),
        (own(cluster_hopping="2"), "Own.cluster_hopping: got '2'"),
        (own(cluster_hopping=0.5), "Own.cluster_hopping: got 0.5, but the energy is not"),
        (own(scaled=lambda self, factor: 3), "Own.scaled: got ValueError: int.event_shape"),
        (own(scaled=lambda self, factor: Wells(6)), "Own.scaled: got UserEnergy"),
        (own(sample=lambda self, rows: rows), "Own.sample: got TypeError"),
        (own(sample=lambda self, n, generator: torch.zeros(4, 4)), r"Own.sample: got \(4, 4\)"),
    ],
)
def test_what_it_has_beside_an_energy_is_tried(model, message):
    with pytest.raises(ValueError, match=message):
        as_energy(model)
    assert as_energy(own()).event_shape == (1, 4, 4)  # without, it is sound


SPINS = {
    "kind": "spins",
    "draw": lambda x, generator: x.sign(),
    "energy": lambda v: -0.3 * bond_sum(v).sum(1),
    "mean": lambda x: x.double().tanh(),
    "field": lambda v, generator: 0.5 * v,
}
ANGLES = {
    "kind": "angles",
    "draw": lambda x, generator: x.tanh(),
    "energy": lambda v: (v - v.roll(1, -1)).cos().sum((1, 2, 3)),
}


@pytest.mark.parametrize(
    ("parts", "more", "message"),
    [
        (SPINS | {"kind": "vectors"}, {}, "Own.physical: got PhysicalVariables"),
        (SPINS | {"draw": lambda x: x}, {}, "Own.physical.draw: got TypeError"),
        (SPINS | {"draw": lambda x, g: x}, {}, r"draw: got \[.*\], expected spins"),
        (SPINS | {"draw": lambda x, g: x[:2]}, {}, r"draw: got \(2, 1, 4, 4\)"),
        (SPINS | {"draw": lambda x, g: torch.cat([x, x], 1)}, {}, r"draw: got \(5, 2, 4, 4\)"),
        (SPINS | {"energy": lambda v: v.sum()}, {}, r"energy: got \(\)"),
        (SPINS | {"mean": lambda x: 2 * x.double()}, {}, "mean: got means of spins"),
        (SPINS | {"mean": lambda x: x.tanh()}, {}, "torch.float64"),
        (SPINS | {"field": lambda v, g: v[:, 0]}, {}, r"field: got \(5, 4, 4\)"),
        (
            SPINS | {"energy": lambda v: -0.3 * bond_sum(v - v.mean(0)).sum(1)},
            {},
            "physical.energy: got other values .* alone and in a batch",
        ),
        (
            SPINS | {"mean": lambda x: (x - x.mean(0)).double().tanh()},
            {},
            "physical.mean: got other values .* alone and in a batch",
        ),
        (SPINS, {"cluster_hopping": 0.6}, "Own.cluster_hopping: got 0.6"),
        (ANGLES | {"draw": lambda x, g: 9 * x}, {}, "expected angles"),
        (ANGLES | {"mean": lambda x: x.tanh()}, {}, "got means of angles"),
        (ANGLES | {"force": lambda v: v}, {}, "Own.physical.force: got .* where -dE/dx"),
        (ANGLES, {"cluster_hopping": 1.0}, "Own.cluster_hopping: got 1.0"),
        (ANGLES | {"kind": "field"}, {"cluster_hopping": 1.0}, "physical variables of the kind"),
    ],
)
def test_physical_variables_are_tried(parts, more, message):
    with pytest.raises(ValueError, match=message):
        as_energy(own(physical=PhysicalVariables(**parts), **more))


def test_sound_physical_variables_and_hoppings_are_taken():
    energy = as_energy(own(physical=PhysicalVariables(**SPINS), cluster_hopping=0.3))
    assert energy.physical.kind == "spins"
    assert energy.cluster_hopping == 0.3
    assert as_energy(own(physical=PhysicalVariables(**ANGLES))).physical.kind == "angles"
    assert as_energy(own(physical=None, exact_two_point=lambda self: None)).physical is None
    assert as_energy(own(cluster_hopping=0.0)).cluster_hopping == 0  # its sites are independent


def test_a_gaussian_needs_no_more_than_its_spectrum():
    class White:
        event_shape = (2, 4, 4)
        spectrum = torch.full((4, 4), 0.5)
        gaussian = True

        def energy(self, x):
            return x.square().sum((1, 2, 3))

        def scaled(self, factor):
            return type("Scaled", (White,), {"spectrum": self.spectrum / factor})()

    energy = as_energy(White())
    assert energy.log_z == pytest.approx(16 * math.log(math.pi))
    assert energy.exact_observables() == {
        "m2": 2 * 0.5 / 16,
        "energy_per_site": 1.0,
        "specific_heat": 1.0,
    }
    assert torch.allclose(energy.exact_two_point(), torch.tensor([1.0, 0.0, 0.0]))
    assert torch.equal(energy.scaled(0.5).spectrum, torch.ones(4, 4))
    assert energy.scaled(1) is energy
