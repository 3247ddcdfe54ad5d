"""Kaufman's solution against published digits and enumeration; the free field."""

import math
from itertools import product

import pytest
import torch

from rgflow.energies import transfer_matrix
from rgflow.energies.exact import (
    CRITICAL_COUPLING,
    free_field_log_z,
    free_field_two_point,
    ising_brute_force,
    ising_energy,
    ising_log_z,
    ising_m2,
    ising_specific_heat,
)
from rgflow.lattice.operators import neighbour_sum

COUPLINGS = [0.0, 0.01, 0.3, CRITICAL_COUPLING, 0.5, 2.0, 50.0]


@pytest.mark.parametrize(
    ("side", "log_z"),
    [(4, 15.521915), (8, 60.141781), (16, 238.642257), (32, 952.648080), (64, 3808.672283)],
)
def test_log_z_at_criticality(side, log_z):
    assert ising_log_z(side, side, CRITICAL_COUPLING) == pytest.approx(log_z, abs=5.1e-7)


@pytest.mark.parametrize("shape", list(product(range(1, 5), repeat=2)))
def test_against_enumeration(shape):
    for coupling in COUPLINGS:
        exact = ising_brute_force(*shape, coupling)
        assert ising_log_z(*shape, coupling) == pytest.approx(exact.log_z, rel=1e-12)
        assert ising_energy(*shape, coupling) == pytest.approx(exact.energy, abs=1e-12)
        assert ising_specific_heat(*shape, coupling) == pytest.approx(
            exact.specific_heat, rel=1e-10, abs=1e-12
        )


@pytest.mark.parametrize("shape", [(2, 4), (4, 4)])
def test_a_negative_coupling_on_even_sides(shape):
    exact = ising_brute_force(*shape, -0.7)
    assert ising_log_z(*shape, -0.7) == pytest.approx(exact.log_z, rel=1e-12)
    assert ising_energy(*shape, -0.7) == pytest.approx(exact.energy, rel=1e-12)
    assert ising_specific_heat(*shape, -0.7) == pytest.approx(exact.specific_heat, rel=1e-10)


def test_enumeration_of_two_spins_by_hand():
    # sites in a row of two: a double bond between them and, vertically, each with itself
    j = 0.3
    exact = ising_brute_force(1, 2, j)
    aligned, opposed = 2 * math.exp(4 * j), 2.0
    assert exact.log_z == pytest.approx(math.log(aligned + opposed), rel=1e-14)
    share = aligned / (aligned + opposed)
    assert exact.abs_m == exact.m2 == exact.m4 == pytest.approx(share, rel=1e-14)
    assert exact.energy == pytest.approx(-4 * share / 2, rel=1e-14)


def m2_by_transfer_matrix(side, coupling):
    """``<m^2>`` as the second derivative of ln Z in a field h, in powers of h up to the second."""
    bits = torch.arange(2**side)[:, None] >> torch.arange(side) & 1
    rows = (2 * bits - 1).double()
    total = rows.sum(1)
    within = (coupling * (rows * rows.roll(-1, 1)).sum(1)).exp()
    step = (coupling * rows @ rows.T).exp() * within
    step = torch.stack([step, step * total, step * total**2 / 2])
    power = step
    for _ in range(side - 1):
        orders = [sum(power[i] @ step[n - i] for i in range(n + 1)) for n in range(3)]
        power = torch.stack(orders)
    z, _, second = power.diagonal(dim1=1, dim2=2).sum(1).tolist()
    return 2 * second / z / side**4


@pytest.mark.parametrize("side", [2, 3, 4])
def test_magnetization_at_criticality(side):
    exact = ising_brute_force(side, side, CRITICAL_COUPLING)
    expected = m2_by_transfer_matrix(side, CRITICAL_COUPLING)
    assert exact.m2 == pytest.approx(expected, rel=1e-12)
    assert exact.m2**2 < exact.m4 < exact.m2 < exact.abs_m < 1


@pytest.mark.parametrize(
    ("side", "coupling"),
    [(2, 0.3), (3, -0.4), (6, CRITICAL_COUPLING), (8, 0.1), (9, CRITICAL_COUPLING), (9, 0.8)],
)
def test_magnetization_from_eigenvectors(side, coupling):
    expected = m2_by_transfer_matrix(side, coupling)
    assert ising_m2(side, coupling) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(("side", "coupling"), [(9, 0.4), (10, 0.475), (10, 0.1)])
def test_leading_eigenvectors_suffice(side, coupling, monkeypatch):
    few = ising_m2(side, coupling)
    monkeypatch.setattr(transfer_matrix, "DENSE_SIDE", 10)
    assert few == pytest.approx(ising_m2(side, coupling), rel=1e-10)


def test_magnetization_refuses_what_it_cannot_do():
    for side, coupling in ((17, 0.4), (1, 0.4), (12, 0.0), (12, -0.4), (4, math.inf)):
        with pytest.raises(ValueError, match="expected"):
            ising_m2(side, coupling)


@pytest.mark.parametrize("coupling", [0.2, CRITICAL_COUPLING, 0.6])
def test_derivatives_on_a_larger_lattice(coupling):
    shape, step = (24, 17), 1e-4
    below, at, above = (ising_log_z(*shape, coupling + d) for d in (-step, 0.0, step))
    sites = math.prod(shape)
    energy = -(above - below) / (2 * step) / sites
    heat = coupling**2 * (above - 2 * at + below) / step**2 / sites
    assert ising_energy(*shape, coupling) == pytest.approx(energy, rel=1e-6)
    assert ising_specific_heat(*shape, coupling) == pytest.approx(heat, rel=1e-4)


def test_the_energy_of_the_infinite_lattice():
    # - sqrt 2 at criticality, corrections of 1 / L
    small, large = (ising_energy(side, side, CRITICAL_COUPLING) for side in (256, 512))
    assert 2 * large - small == pytest.approx(-math.sqrt(2), abs=1e-6)


def test_neither_direction_is_special():
    for coupling in (0.1, 0.44, 3.0):
        assert ising_log_z(40, 7, coupling) == pytest.approx(
            ising_log_z(7, 40, coupling), rel=1e-13
        )


@pytest.mark.parametrize("coupling", [100.0, 1e6])
def test_no_overflow_in_the_cold(coupling):
    shape = (200, 301)
    sites = math.prod(shape)
    expected = 2 * sites * coupling + math.log(2)
    assert ising_log_z(*shape, coupling) == pytest.approx(expected, rel=1e-14)
    assert ising_energy(*shape, coupling) == pytest.approx(-2, rel=1e-14)
    assert abs(ising_specific_heat(*shape, coupling)) < 1e-9


def test_no_overflow_in_the_heat():
    # high-temperature series: ln Z / N = ln 2 + 2 ln cosh J + tanh(J)^4 + ...
    shape, j = (1000, 500), 1e-3
    expected = math.log(2) + 2 * math.log(math.cosh(j)) + math.tanh(j) ** 4
    assert ising_log_z(*shape, j) / math.prod(shape) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("shape", [(3, 3), (4, 6), (2, 5)])
def test_the_free_field_against_its_matrix(shape):
    sites, m2 = math.prod(shape), 0.35
    basis = torch.eye(sites, dtype=torch.float64).reshape(-1, *shape)
    matrix = ((8 + 2 * m2) * basis - 2 * neighbour_sum(basis)).reshape(sites, sites)
    expected = sites / 2 * math.log(2 * math.pi) - torch.logdet(matrix).item() / 2
    assert free_field_log_z(*shape, m2) == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(
        free_field_two_point(*shape, m2).flatten(), torch.linalg.inv(matrix)[0]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ising_log_z(0, 4, 0.4), "0 x 4"),
        (lambda: ising_log_z(4, 4, math.nan), "coupling: got nan"),
        (lambda: ising_energy(4, 4, math.inf), "coupling: got inf"),
        (lambda: ising_specific_heat(3, 4, -0.4), "frustrated"),
        (lambda: ising_brute_force(5, 4, 0.4), "at most 16"),
        (lambda: free_field_log_z(4, 4, 0.0), "m2: got 0.0"),
        (lambda: free_field_two_point(4, 4, -1.0), "m2: got -1.0"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_derivatives_where_gradients_are_off():
    expected = ising_energy(4, 4, 0.4)
    with torch.inference_mode():
        assert ising_energy(4, 4, 0.4) == expected
