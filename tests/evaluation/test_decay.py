"""Fitted decays of fields whose correlations are known exactly."""

import math

import pytest
import torch

from rgflow.energies import GaussianField
from rgflow.evaluation.decay import (
    exponential,
    finite_size_exponent,
    power_law,
    spin_wave_distance,
)
from rgflow.lattice import khat_squared
from rgflow.statistics import Measured

SIDE, STATES, CHAINS = 16, 40, 32


@pytest.fixture(scope="module")
def gapped():
    """A free field of mass 1/2."""
    field = GaussianField(SIDE, m2=0.25)
    x = field.sample(3 * STATES * CHAINS, torch.Generator().manual_seed(0))
    return x.unflatten(0, (3 * STATES, CHAINS))


@pytest.fixture(scope="module")
def spin_waves():
    """``exp(i theta)`` with a massless free theta of stiffness 1.5 about a random phase."""
    generator = torch.Generator().manual_seed(1)
    spectrum = khat_squared(SIDE, SIDE)
    spectrum[0, 0] = torch.inf
    noise = torch.randn(STATES, CHAINS, SIDE, SIDE, generator=generator, dtype=torch.float64)
    theta = torch.fft.ifft2(torch.fft.fft2(noise) / (1.5 * spectrum).sqrt()).real
    theta = theta + 2 * math.pi * torch.rand(STATES, CHAINS, 1, 1, generator=generator)
    return torch.stack([theta.cos(), theta.sin()], 2)


def test_the_exponent_of_spin_waves(spin_waves):
    fit = power_law(spin_waves)
    assert abs(fit.parameter - 1 / (3 * math.pi)) < 4 * fit.error < 0.02
    assert fit.chi_squared < 3
    assert fit.points == SIDE // 2 - 1


def test_the_length_of_a_free_field(gapped):
    fit = exponential(gapped)
    assert abs(fit.parameter - 1 / (2 * math.asinh(0.25))) < 4 * fit.error < 0.4
    assert fit.chi_squared < 3


def test_an_exponential_is_no_power_law(gapped):
    assert power_law(gapped).chi_squared > 10


def test_errors_are_those_of_repetitions(spin_waves):
    parts = [power_law(part) for part in spin_waves.split(STATES // 8)]
    values = torch.tensor([part.parameter for part in parts])
    errors = torch.tensor([part.error for part in parts])
    assert 0.5 < float(values.std() / errors.mean()) < 2


def test_the_distance_is_the_logarithm_with_the_constant_of_the_square_lattice():
    distance = spin_wave_distance(512)
    # 2 pi D(r) -> ln r + gamma + 3/2 ln 2, and D(1) = 1/4 but for the zero mode
    assert float(distance[20] - math.log(20)) == pytest.approx(1.616937, abs=5e-3)
    assert float(distance[1]) == pytest.approx(math.pi / 2, abs=1e-4)


def test_a_line_through_two_sizes_has_the_errors_of_both():
    rows = [Measured(0.5, 0.01), Measured(0.25, 0.005)]
    eta = finite_size_exponent((8, 16), rows)
    assert eta.value == pytest.approx(1.0)
    assert eta.error == pytest.approx(0.02 * math.sqrt(2) / math.log(2))
    with pytest.raises(ValueError, match="two"):
        finite_size_exponent((8, 8), rows)


def test_points_below_the_noise_are_left_out(gapped):
    few = exponential(gapped[:12])
    assert 3 <= few.points < SIDE // 2 - 1
    assert abs(few.parameter - 1 / (2 * math.asinh(0.25))) < 4 * few.error


def test_too_few_points_are_refused(gapped):
    with pytest.raises(ValueError, match="got 1 points from 7 on that are above the noise"):
        exponential(gapped, first=7)
    noise = torch.randn(4, 8, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="got 0 points from 2 on"):
        power_law(noise)
    with pytest.raises(ValueError, match="got 1 chains"):
        power_law(gapped[:, :1])
