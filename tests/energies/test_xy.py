"""The XY model on the line is that on the circle."""

import math

import pytest
import torch

from rgflow.energies import XY


def fields(side=4):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(5, 1, side, side, generator=generator, dtype=torch.float64)


def exact_log_z(coupling):
    """Two by two sites with double bonds, by the periodic trapezoid rule on one fixed angle."""
    points = 2 * math.pi * torch.arange(24, dtype=torch.float64) / 24
    three = torch.cartesian_prod(*[points] * 3)
    grid = torch.cat([torch.zeros(len(three), 1), three], 1).reshape(-1, 1, 2, 2)
    log_mean = (-XY(2, coupling).angle_energy(grid)).logsumexp(0) - math.log(len(grid))
    return float(log_mean) + 4 * math.log(2 * math.pi)


def test_turns_and_periods():
    model = XY(4, 0.8)
    theta = 3 * fields()
    energy = model.angle_energy(theta)
    torch.testing.assert_close(model.angle_energy(theta + 0.9), energy)
    turns = torch.randint(-3, 4, theta.shape, generator=torch.Generator().manual_seed(1))
    windings = 2 * math.pi * turns.double()
    torch.testing.assert_close(model.angle_energy(theta + windings), energy)


def test_angles_and_back():
    model = XY(4, 0.8)
    x = fields()
    theta = model.angles(x)
    assert theta.abs().max() < math.pi
    torch.testing.assert_close(model.field(theta), x)
    torch.testing.assert_close(model.field(theta + 4 * math.pi), x, rtol=0, atol=1e-8)


def test_the_energy_has_the_jacobian_of_the_angles():
    model = XY(4, 0.8)
    x = fields().requires_grad_()
    theta = model.angles(x)
    (slope,) = torch.autograd.grad(theta.sum(), x)
    expected = model.angle_energy(theta) - slope.log().sum((1, 2, 3))
    torch.testing.assert_close(model.energy(x), expected)


def test_free_angles_are_standard_normal():
    model = XY(4, 0.0)
    x = fields()
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(-model.energy(x) - model.log_z, normal)
    assert XY(4, 0.1).log_z is None


@pytest.mark.parametrize("coupling", [0.3, 0.8])
def test_the_partition_function_is_that_of_the_circle(coupling):
    model = XY(2, coupling)
    n = 200_000
    x = torch.randn(n, 1, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum((1, 2, 3))
    ratio = (-model.energy(x) - normal - exact_log_z(coupling)).exp()
    error = ratio.std() / math.sqrt(n)
    assert error < 0.01
    assert abs(ratio.mean() - 1) <= 4 * error
