"""Both tables on a flow whose answers are known."""

import pytest
import torch
from toy_levels import toy_factors, toy_flow

from rgflow.analysis.factors import Factor, independent_difference, squared_difference
from rgflow.analysis.level_regression import _local_sites, regression_table
from rgflow.analysis.mixed_factors import mix_pairs
from rgflow.analysis.redrawing import decode_images, redraw_table

EXACT = {"fine": (1, 0), "coarse": (0, 1), "both": (0.2, 0.8), "image": (0, 1)}


@pytest.fixture(scope="module")
def toy():
    flow = toy_flow()
    return flow, flow.prior.sample(1500, generator=torch.Generator().manual_seed(0))


def assert_known(table, slack):
    assert table.blocks == ("level0", "level1")
    exact = torch.tensor([EXACT[name] for name in table.factors]).T.double()
    difference = (table.importance.value - exact).abs()
    assert (difference <= 5 * table.importance.error + slack).all()
    assert table.importance.error.max() < 0.05
    shares = exact / exact.sum(0)
    level = (table.mean_level.value - shares[1]).abs()
    assert (level <= 5 * table.mean_level.error + 2 * slack).all()


def test_a_redrawn_level_changes_its_own_factors(toy):
    flow, z = toy
    table = redraw_table(flow, z, toy_factors, contains_others=["both", "image"])
    assert_known(table, 0.001)  # pixels are rounded, and cut off at 4 standard deviations
    d, c = table.overall.value
    assert d > 0.99
    assert c > 0.99
    other = redraw_table(flow, z, toy_factors, seed=1)
    assert not torch.equal(other.importance.value, table.importance.value)
    again = redraw_table(flow, z, toy_factors, batch_size=400)
    assert torch.equal(again.importance.value, table.importance.value)


def test_a_level_tells_its_own_factors_on_held_out_images(toy):
    flow, _ = toy
    z = flow.prior.sample(5000, generator=torch.Generator().manual_seed(0))
    factors = toy_factors(decode_images(flow, z))
    table = regression_table(flow, z, factors)
    assert table.images == 1000
    assert_known(table, 0.03)  # less what the fit took from noise


def test_images_whose_factor_is_not_known_do_not_count(toy):
    flow, z = toy
    factors = toy_factors(decode_images(flow, z))
    spoilt = {}
    for name, (values, weights) in factors.items():
        unknown = torch.rand(weights.shape, generator=torch.Generator().manual_seed(1)) < 0.3
        spoilt[name] = Factor(values.masked_fill(unknown[..., None], 50.0), weights * ~unknown)
    table = regression_table(flow, z, {name: spoilt[name] for name in ("fine", "coarse")})
    assert_known(table, 0.01)


def test_the_size_of_a_latent_counts_as_well_as_its_sign(toy):
    flow, z = toy
    values = z[:, :1, 1:2, 1].abs()  # (N, 1, 1)
    factors = {"size": Factor(values.double(), torch.ones(len(z), 1))}
    table = regression_table(flow, z, factors)
    assert table.importance.value[0, 0] > 0.99
    assert table.importance.value[1, 0] < 0.05


def test_mixtures_have_fine_factors_of_b_and_coarse_ones_of_a(toy):
    flow, z = toy
    images, factors = mix_pairs(flow, *z[:1000].chunk(2), toy_factors)
    assert images.shape == (3, 500, 1, 16, 16)
    assert factors.cuts == (0, 1, 2)
    share, to_a, to_b = factors.share_of_a, factors.distance_to_a, factors.distance_to_b
    assert (share.value[0] == 1).all()
    assert (share.value[2] == 0).all()
    assert (share.error[[0, 2]] < 1e-9).all()
    exact = torch.tensor([EXACT[name][1] for name in factors.factors]).double()
    assert ((share.value[1] - exact).abs() <= 5 * share.error[1] + 1e-9).all()
    assert (to_a.value[1, :2] - torch.tensor([1.0, 0.0])).abs().max() < 1e-9
    assert (to_b.value[1, :2] - torch.tensor([0.0, 1.0])).abs().max() < 1e-9
    exact_to_a = torch.tensor([EXACT[name][0] for name in factors.factors]).double()
    assert ((to_a.value[1] - exact_to_a).abs() <= 5 * to_a.error[1] + 1e-9).all()


def test_local_latents_lie_in_the_cell_and_around_it():
    mask = torch.ones(32, 32, dtype=torch.bool)
    corner = _local_sites(mask, 16, 0, 2)  # wraps around
    assert corner.sum() == 12 * 12
    assert corner[-2:, -2:].all()
    assert corner[:10, :10].all()
    inner = _local_sites(mask, 16, 6, 2)  # second row, third column
    assert inner[6:18, 14:26].all()
    assert inner.sum() == 144
    assert _local_sites(mask, 16, 6, 16).all()
    assert _local_sites(mask, 1, 0, 2).all()


def test_independent_images_differ_by_twice_the_variance():
    generator = torch.Generator().manual_seed(0)
    weights = (torch.rand(4000, 3, generator=generator) < 0.7).double()
    values = torch.randn(4000, 3, 2, generator=generator).double() + torch.arange(3)[:, None]
    factor = Factor(values.masked_fill(weights[..., None] == 0, 99.0), weights)
    total, weight = independent_difference(factor)
    assert abs(total.sum() / weight.sum() - 4) < 0.1
    shuffled = Factor(*(part.roll(1, 0) for part in factor))
    pairs, weight = squared_difference(factor, shuffled)
    assert abs(pairs.sum() / weight.sum() - 4) < 0.2


def test_too_few_images_are_refused(toy):
    flow, z = toy
    factors = toy_factors(decode_images(flow, z[:19]))
    with pytest.raises(ValueError, match="got 19 images, expected at least 20"):
        regression_table(flow, z[:19], factors)
    with pytest.raises(ValueError, match="got 1 images, expected at least 2"):
        redraw_table(flow, z[:1], toy_factors)
