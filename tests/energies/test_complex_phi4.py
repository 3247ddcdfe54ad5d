"""The complex field: its action written out, and its U(1) symmetry."""

import pytest
import torch

from rgflow.energies import ComplexPhi4


def fields(channels, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(5, channels, 4, 4, generator=generator, dtype=torch.float64)


def test_a_turn_of_all_phases_is_a_symmetry():
    model = ComplexPhi4(4, 1.0, 0.5, 0.7)
    x = fields(2)
    phi = torch.complex(x[:, :1], x[:, 1:])
    turned = phi * torch.exp(torch.tensor(0.7j))
    y = torch.cat([turned.real, turned.imag], 1)
    torch.testing.assert_close(model.energy(y), model.energy(x))


def test_the_action_written_with_complex_numbers():
    t, mu, lam = 0.8, -0.4, 0.3
    x = fields(2)
    phi = torch.complex(x[:, 0], x[:, 1])
    expected = (mu * phi.abs() ** 2 + lam * phi.abs() ** 4).sum((1, 2))
    for i in range(4):
        for j in range(4):
            for other in (phi[:, (i + 1) % 4, j], phi[:, i, (j + 1) % 4]):
                expected = expected - t * (phi[:, i, j].conj() * other).real
    torch.testing.assert_close(ComplexPhi4(4, t, mu, lam).energy(x), expected)


def test_the_helicity_modulus_is_the_curvature_of_the_free_energy():
    model, side, step = ComplexPhi4(6, 0.7, 1.6, 0.0), 6, 1e-3
    k = 2 * torch.pi * torch.arange(side, dtype=torch.float64) / side

    def free_energy(alpha):  # per site, of a bond turned by alpha along the first axis
        stiffness = 2 * 1.6 - 2 * 0.7 * ((k + alpha).cos()[:, None] + k.cos())
        return stiffness.log().mean()

    curvature = (free_energy(step) - 2 * free_energy(0.0) + free_energy(-step)) / step**2
    exact = model.exact_observables()["helicity_modulus"]
    assert exact == pytest.approx(float(curvature), rel=1e-5)
    assert "helicity_modulus" not in ComplexPhi4(6, 0.7, 1.6, 0.1).exact_observables()
