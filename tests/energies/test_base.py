"""What every energy promises: its gradient, its symmetries, types, shapes and errors."""

import math

import pytest
import torch
from all_energies import ENERGIES

from rgflow.energies import XY, ComplexPhi4, GaussianField, Ising, Phi4
from rgflow.testing import assert_force, assert_symmetry

every_energy = pytest.mark.parametrize("name", ENERGIES)


def fields(energy, count=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *energy.event_shape, generator=generator, dtype=dtype) * 1.3


@every_energy
def test_force_is_minus_the_gradient(name):
    energy = ENERGIES[name]()
    assert_force(energy)
    x = fields(energy).requires_grad_()
    assert energy.energy(x).shape == (4,)
    assert not energy.force(x).requires_grad


@every_energy
def test_force_in_any_gradient_mode(name):
    energy = ENERGIES[name]()
    x = fields(energy)
    expected = energy.force(x)
    with torch.no_grad():
        assert torch.equal(energy.force(x), expected)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert torch.equal(energy.force(x.clone()), expected)
        assert torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


SYMMETRIES = {
    "translation": lambda x: x.roll((1, 2), (-2, -1)),
    "rotation": lambda x: x.rot90(1, (-2, -1)),
    "reflection": lambda x: x.flip(-1),
    "sign": lambda x: -x,
}


@every_energy
@pytest.mark.parametrize("symmetry", SYMMETRIES)
def test_symmetries(name, symmetry):
    energy = ENERGIES[name]()
    x = fields(energy)
    assert_symmetry(energy, SYMMETRIES[symmetry], x)
    # a permutation of sites that is no symmetry does change it
    order = torch.randperm(x[0, 0].numel(), generator=torch.Generator().manual_seed(3))
    shuffled = x.flatten(2)[..., order].view_as(x)
    if energy.event_shape[-1] > 3:
        assert (energy.energy(shuffled) - energy.energy(x)).abs().max() > 1e-3


@every_energy
def test_events_of_a_batch_do_not_mix_and_the_input_is_kept(name):
    energy = ENERGIES[name]()
    x = fields(energy)
    kept = x.clone()
    together, forces = energy.energy(x), energy.force(x)
    for i in range(len(x)):
        torch.testing.assert_close(energy.energy(x[i : i + 1])[0], together[i])
        torch.testing.assert_close(energy.force(x[i : i + 1])[0], forces[i])
    assert torch.equal(x, kept)


@every_energy
def test_single_precision(name):
    energy = ENERGIES[name]()
    x = fields(energy)
    single = energy.energy(x.float())
    assert single.dtype == energy.force(x.float()).dtype == torch.float32
    torch.testing.assert_close(single.double(), energy.energy(x), rtol=1e-5, atol=1e-4)
    assert not energy.state_dict()  # constants are no state


@every_energy
def test_wrong_shapes_are_refused(name):
    energy = ENERGIES[name]()
    for method in (energy.energy, energy.force):
        with pytest.raises(ValueError, match="expected"):
            method(fields(energy)[..., :-1])


@every_energy
def test_the_spectrum_is_a_covariance(name):
    energy = ENERGIES[name]()
    spectrum = energy.spectrum
    if spectrum is None:
        assert name in ("phi4", "scaled_phi4", "complex_phi4", "xy")
        return
    assert spectrum.dtype == torch.float64
    assert spectrum.shape == energy.event_shape[1:]
    assert (spectrum > 0).all()


@pytest.mark.parametrize("make", [lambda: Phi4(4, 0.7, 0.0), lambda: ComplexPhi4(3, 1, 2.5, 0.0)])
def test_free_theories_are_gaussians_of_that_spectrum(make):
    energy = make()
    x = fields(energy)[:1]
    hessian = torch.func.hessian(lambda v: energy.energy(v[None])[0])(x[0])
    size = x[0].numel()
    eigenvalues = torch.linalg.eigvalsh(hessian.reshape(size, size))
    expected = energy.spectrum.reciprocal().flatten().repeat(energy.event_shape[0])
    torch.testing.assert_close(eigenvalues, expected.sort().values)
    log_z = size / 2 * math.log(2 * math.pi) - eigenvalues.log().sum() / 2
    assert energy.log_z == pytest.approx(float(log_z), abs=1e-10)


def test_scaled_energies():
    model = Phi4(4, -4.0, 6.0)
    assert model.scaled(1.0) is model
    scaled = GaussianField(4, 0.5).scaled(2.0)
    # 16 normal numbers whose variances are halved
    assert abs(scaled.log_z - (GaussianField(4, 0.5).log_z - 8 * math.log(2))) < 1e-12
    assert model.scaled(0.5).log_z is None
    assert torch.equal(scaled.spectrum, GaussianField(4, 0.5).spectrum / 2)
    ising = Ising(4, 0.4, margin=0.2).scaled(0.5)
    assert (ising.coupling, ising.margin) == (0.2, 0.2)
    assert ising.log_z == Ising(4, 0.2, margin=0.2).log_z
    assert XY(4, 2.0).scaled(0.25).coupling == 0.5


NAN = float("nan")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianField(1, 0.5), "side: got 1"),
        (lambda: GaussianField(4, 0.0), "m2: got 0.0, expected a positive"),
        (lambda: GaussianField(4, -1.0), "m2: got -1.0, expected a positive"),
        (lambda: GaussianField(4, NAN), "m2: got nan"),
        (lambda: GaussianField(4, 1.0).sample(0), "n: got 0, expected a positive"),
        (lambda: Ising(1), "side: got 1"),
        (lambda: Ising(4, NAN), "coupling: got nan"),
        (lambda: Ising(4, math.inf), "coupling: got inf"),
        (lambda: Ising(5, -0.4), "frustrated"),
        (lambda: Ising(4, margin=0.0), "margin: got 0.0"),
        (lambda: Ising(4).field(torch.ones(1, 1, 4, 4, dtype=torch.int64)), "floating"),
        (lambda: Phi4(0, -4.0, 1.0), "side: got 0"),
        (lambda: Phi4(4, -4.0, -1.0), "bounded from below"),
        (lambda: Phi4(4, -4.0, 0.0), "bounded from below"),
        (lambda: Phi4(4, NAN, 1.0), "m2: got nan"),
        (lambda: Phi4.from_kappa(4, 0.0, 0.5), "kappa: got 0.0"),
        (lambda: Phi4.from_beta(4, -1.0), "beta: got -1.0"),
        (lambda: ComplexPhi4(4, 1.0, 1.0, 0.0), "bounded from below"),
        (lambda: ComplexPhi4(4, 1.0, 1.0, NAN), "lam: got nan"),
        (lambda: XY(4, NAN), "coupling: got nan"),
        (lambda: Phi4(4, 1.0, 1.0).scaled(0.0), "factor: got 0.0"),
        (lambda: Phi4(4, 1.0, 1.0).scaled(-1.0), "factor: got -1.0"),
    ],
)
def test_wrong_parameters_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
