"""Energies from users: wrapped, tried, refused."""

import pytest
import torch
from plain_energy import Wells
from torch import nn

from rgflow.energies import Phi4, as_energy


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
        (own(spectrum=torch.arange(1.0, 17).view(4, 4)), "Own.spectrum: .* the same at k and -k"),
        (own(spectrum=property(lambda self: 1 + "a")), "Own.spectrum: got TypeError"),
        (own(sample=lambda self, rows: rows), "Own.sample: got TypeError"),
        (own(sample=lambda self, n, generator: torch.zeros(4, 4)), r"Own.sample: got \(4, 4\)"),
    ],
)
def test_what_it_has_beside_an_energy_is_tried(model, message):
    with pytest.raises(ValueError, match=message):
        as_energy(model)
    assert as_energy(own()).event_shape == (1, 4, 4)  # without, it is sound
