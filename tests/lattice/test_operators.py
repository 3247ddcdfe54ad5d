"""Circulant operators against dense matrices."""

import math

import pytest
import torch

from rgflow.lattice import operators as lattice

SHAPES = [(2, 2), (3, 3), (4, 6), (5, 4), (1, 3)]


def dense(operator, height, width):
    basis = torch.eye(height * width, dtype=torch.float64).reshape(-1, height, width)
    return operator(basis).reshape(height * width, -1)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_spectrum_of_the_adjacency_matrix(shape):
    matrix = dense(lattice.neighbour_sum, *shape)
    assert torch.equal(matrix, matrix.T)
    assert (matrix.sum(0) == 4).all()
    expected = torch.linalg.eigvalsh(matrix)
    got = (4 - lattice.khat_squared(*shape)).flatten().sort().values
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_modes_and_forms_are_those_of_the_matrix(shape):
    spectrum = lattice.khat_squared(*shape) + 0.3
    x = torch.randn(3, 2, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    applied = 4.3 * x - lattice.neighbour_sum(x)
    torch.testing.assert_close(lattice.multiply_modes(x, lattice.half(spectrum)), applied)
    form = lattice.quadratic_form(x, lattice.parseval_weights(spectrum))
    torch.testing.assert_close(form, (x * applied).sum((-2, -1)))
    bonds = lattice.gradient_squared(x).sum((-2, -1))
    torch.testing.assert_close(form, bonds + 0.3 * x.square().sum((-2, -1)))


def test_the_normalisation_of_a_gaussian():
    covariance = torch.tensor([[2.0, 0.5]], dtype=torch.float64)
    assert lattice.gaussian_log_z(covariance) == pytest.approx(math.log(2 * math.pi))


@pytest.mark.parametrize("shape", SHAPES)
def test_every_bond_counts_once(shape):
    x = torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = (x * lattice.neighbour_sum(x)).sum((-2, -1)) / 2
    torch.testing.assert_close(lattice.bond_sum(x), expected)
    assert lattice.bond_sum(x.sign().to(torch.int8)).dtype == torch.float64
