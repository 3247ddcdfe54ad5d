import itertools
import math

import pytest
import torch
from gaussian_target import GaussianTarget, seeded

from rgflow import observables as o


def field(*shape):
    return torch.randn(*shape, generator=seeded(), dtype=torch.float64)


@pytest.mark.parametrize("shape", [(3, 1, 4, 4), (2, 3, 2, 5, 5), (1, 4, 6)])
def test_two_point_function_is_the_double_sum(shape):
    x = field(*shape)
    g = o.two_point_function(x)
    for i, j in itertools.product(range(shape[-2]), range(shape[-1])):
        direct = (x * x.roll((-i, -j), (-2, -1))).sum((-3, -2, -1)) / (shape[-1] * shape[-2])
        assert torch.allclose(g[..., i, j], direct)
    sites = shape[-1] * shape[-2]
    assert torch.allclose(g.sum((-2, -1)), sites * o.measure(x).m2)
    rows = x.sum(-1)  # (..., C, H)
    slices = (rows * rows.roll(-1, -1)).sum((-2, -1)) / sites
    assert torch.allclose(o.time_slice_correlator(x)[..., 1], slices)


@pytest.mark.parametrize("side", [4, 5])
def test_axes_and_smallest_momentum_belong_to_the_two_point_function(side):
    x = field(3, 2, side, side)
    g = o.two_point_function(x)
    axes = o.two_point_on_axes(x)
    assert axes.shape == (3, side // 2 + 1)
    assert torch.allclose(axes[:, 1], (g[:, 0, 1] + g[:, 1, 0]) / 2)
    wave = torch.cos(2 * math.pi * torch.arange(side).double() / side)
    minimum = ((g * wave).sum((1, 2)) + (g * wave[:, None]).sum((1, 2))) / 2
    assert torch.allclose(o.structure_factor_minimum(x), minimum)


def test_moments_and_their_invariances():
    x = field(5, 2, 4, 4)
    energies = field(5)
    moments = o.measure(x, energies)
    m = x.mean((-2, -1))
    assert torch.allclose(moments.m2, m[:, 0] ** 2 + m[:, 1] ** 2)
    assert torch.allclose(moments.m4, moments.m2**2)
    assert torch.allclose(moments.abs_m, moments.m2.sqrt())
    assert torch.equal(moments.energy_squared, energies**2)
    for same in (-x, x.roll((1, 2), (-1, -2)), x.flip(1), x.transpose(-1, -2)):
        for a, b in zip(o.measure(same, energies), moments, strict=True):
            assert torch.allclose(a, b)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float32, torch.float64])
def test_leading_axes_and_types(dtype):
    spins = field(7, 5, 1, 4, 4).sign().to(dtype)
    moments = o.measure(spins)
    assert all(v.shape == (7, 5) and v.dtype == torch.float64 for v in moments[:4])
    assert o.measure(spins[..., :2, :]).structure is None
    assert o.two_point_on_axes(spins).shape == (7, 5, 3)


def test_moments_of_spins_given_the_field_are_the_sums_over_all_spins():
    coupling, x = 0.4, field(3, 1, 3, 3)
    states = itertools.product((-1.0, 1.0), repeat=9)
    spins = torch.tensor(list(states), dtype=torch.float64).view(-1, 1, 3, 3)
    law = torch.softmax(2 * 0.5 * (spins[:, None] * x).sum((-3, -2, -1)), 0)  # (512, 3)
    exact = o.measure(spins)
    bonds = spins * spins.roll(-1, -1) + spins * spins.roll(-1, -2)
    energy = -coupling * bonds.sum((-3, -2, -1))
    t = x.tanh()
    mean_bonds = t * t.roll(-1, -1) + t * t.roll(-1, -2)
    given = o.measure_independent_spins(t, -coupling * mean_bonds.sum((-3, -2, -1)))
    pairs = ((given.m2, exact.m2), (given.m4, exact.m4), (given.structure, exact.structure))
    for mean, values in (*pairs, (given.energy, energy)):
        assert torch.allclose(mean, (law * values[:, None]).sum(0))
    assert given.abs_m is None
    assert given.energy_squared is None


def test_functions_of_means_have_their_known_values():
    one, half = torch.tensor(1.0), torch.tensor(0.5)
    assert o.binder_cumulant(one, one) == pytest.approx(2 / 3)
    assert o.binder_cumulant(half, 3 * half**2) == 0
    assert o.susceptibility(half, 16) == 8
    assert o.connected_susceptibility(half, half, 16) == 4
    assert o.specific_heat(torch.tensor(3.0), torch.tensor(13.0), 16) == 0.25


@pytest.mark.parametrize("mass", [0.3, 1.0])
def test_correlation_length_of_a_free_field_is_one_over_the_mass(mass):
    propagator = 1 / GaussianTarget(8, m2=mass**2).spectrum()
    length = o.correlation_length(propagator[0, 0] / 64, propagator[0, 1], 8)
    assert float(length) == pytest.approx(1 / mass)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"expected \(\.\.\., C, H, W\)"):
        o.measure(field(4, 4))
    with pytest.raises(ValueError, match="energies"):
        o.measure(field(3, 1, 4, 4), field(4))
    with pytest.raises(ValueError, match="square"):
        o.two_point_on_axes(field(3, 1, 4, 5))
    with pytest.raises(ValueError, match="sides of 2"):
        o.measure_independent_spins(field(3, 2, 4, 4))


def test_helicity_modulus_and_amplitude_of_waves():
    angle = 0.3 * torch.arange(12, dtype=torch.float64).expand(8, 12)
    wave = 2 * torch.stack([angle.cos(), angle.sin()])  # it is broken at one column of bonds
    along = 4 * (11 * math.cos(0.3) + math.cos(11 * 0.3)) * 8
    across = 4 * (11 * math.sin(0.3) - math.sin(11 * 0.3)) * 8
    columns, rows = (0.7 * along - 0.49 * across**2) / 96, 0.7 * 4
    assert float(o.helicity_modulus(wave, 0.7)) == pytest.approx((columns + rows) / 2)
    assert float(o.amplitude(wave)) == pytest.approx(2)
    x = field(5, 2, 4, 6)
    turned = torch.stack([-x[:, 1], x[:, 0]], 1)
    assert torch.allclose(o.helicity_modulus(turned, 0.7), o.helicity_modulus(x, 0.7))
    with pytest.raises(ValueError, match="got 1 components"):
        o.helicity_modulus(field(3, 1, 4, 4), 1.0)
