import math

import pytest
import torch

from rgflow.analysis.radii import LevelRadii, fit_radii, level_radii, picture_radius
from rgflow.analysis.receptive_fields import ReceptiveFields


def spot(side, centre, width):
    """A normal law of one width on the torus."""
    index = torch.arange(side, dtype=torch.float64)
    away = [torch.remainder(index - c + side / 2, side) - side / 2 for c in centre]
    rows, columns = (torch.exp(-(d**2) / (2 * width**2)) for d in away)
    return rows[:, None] * columns[None, :]


@pytest.mark.parametrize("centre", [(16, 16), (0, 31), (31.5, 0.25)])
def test_radius_of_a_normal_law_anywhere_on_the_torus(centre):
    radius = picture_radius(spot(32, centre, 2.5))
    assert float(radius) == pytest.approx(math.sqrt(2) * 2.5, rel=1e-3)


def test_radii_of_a_point_an_even_picture_and_none():
    pictures = torch.zeros(3, 64, 64)
    pictures[0, 3, 60] = 2
    pictures[1] = 0.1
    point, even, nothing = picture_radius(pictures).tolist()
    assert point < 1e-6
    assert even == pytest.approx(64 / math.sqrt(6), rel=1e-3)
    assert math.isnan(nothing)


def test_jackknife_error_is_the_spread_of_the_mean():
    """Radii of many means of 12 pictures spread as the error says."""
    generator = torch.Generator().manual_seed(0)
    widths = 2 + 0.5 * torch.rand(40, 12, generator=generator).double()
    pictures = torch.stack([torch.stack([spot(16, (8, 8), w) for w in row]) for row in widths])
    found = [
        level_radii(ReceptiveFields(*[torch.zeros(0)] * 4, of_one[:, None])) for of_one in pictures
    ]
    radii = torch.cat([one.radius for one in found])
    errors = torch.cat([one.error for one in found])
    assert float(errors.mean()) == pytest.approx(float(radii.std()), rel=0.25)


def test_fit_finds_the_power_law_within_its_error():
    generator = torch.Generator().manual_seed(1)
    pulls = []
    for _ in range(50):
        exact = 1.7 * 2 ** (0.8 * torch.arange(5.0))
        error = 0.05 * exact
        noisy = exact + error * torch.randn(5, generator=generator)
        fit = fit_radii(LevelRadii(noisy, error), side=256)
        assert fit.levels == (0, 1, 2, 3, 4)
        pulls.append((fit.exponent - 0.8) / fit.exponent_error)
        assert abs(fit.amplitude - 1.7) < 5 * fit.amplitude_error
    assert 0.6 < torch.tensor(pulls).std() < 1.4


def test_levels_that_the_torus_cuts_off_are_left_out():
    radius, error = torch.tensor([2.0, 4.0, 8.0, 12.9]), torch.full((4,), 0.1)
    fit = fit_radii(LevelRadii(radius, error), side=32)
    assert fit.levels == (0, 1, 2)
    assert fit.exponent == pytest.approx(1)
    assert fit.amplitude == pytest.approx(2)
    assert fit.chi2 == pytest.approx(0, abs=1e-12)
    assert fit_radii(LevelRadii(radius[2:], error[2:]), side=32) is None
