"""The exact sampler of the free field."""

import pytest
import torch

from rgflow.energies import GaussianField
from rgflow.energies.exact import free_field_two_point


@pytest.mark.parametrize("side", [2, 5, 8])
def test_samples_have_the_exact_two_point_function(side):
    model = GaussianField(side, 0.2)
    n = 20_000
    x = model.sample(n, torch.Generator().manual_seed(0), torch.float64)
    exact = free_field_two_point(side, side, 0.2)
    modes = torch.fft.fft2(x)
    # each sample's average over all sites
    products = torch.fft.ifft2(modes.abs().square()).real[:, 0] / side**2
    error = products.std(0) / n**0.5
    assert ((products.mean(0) - exact).abs() <= 4 * error).all()
    assert error[0, 0] < 0.01 * exact[0, 0]
    assert abs(x.mean()) <= 4 * (1 / (2 * 0.2) / side**2 / n) ** 0.5


def test_energies_of_samples_are_those_of_half_a_degree_of_freedom_each():
    model = GaussianField(16, 0.01)
    energies = model.energy(model.sample(4000, torch.Generator().manual_seed(1)))
    # chi squared of N degrees over two: mean N / 2, variance N / 2
    assert energies.dtype == torch.float32
    assert abs(energies.mean() - 128) <= 4 * (128 / 4000) ** 0.5
    assert energies.var() == pytest.approx(128, rel=0.1)


def test_the_generator_decides():
    model = GaussianField(4, 0.5)
    a, b, c = (model.sample(2, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
