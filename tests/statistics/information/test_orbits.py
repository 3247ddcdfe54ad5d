"""Pairs that a symmetry makes equal: their shared ranks, and baselines with their symmetry."""

import pytest
import torch

from rgflow.runtime.seeds import generator_for
from rgflow.statistics.information.all_pairs import mean_pair_informations
from rgflow.statistics.information.blocks import derangement, partners
from rgflow.statistics.information.gaussian_copula import gaussian_information


@pytest.mark.parametrize("blocks", [8, 9, 64])
def test_partners_exchange_blocks_and_leave_none(blocks):
    order = partners(blocks, torch.Generator().manual_seed(0))
    assert torch.equal(order.sort().values, torch.arange(blocks))
    assert not (order == torch.arange(blocks)).any()
    back = order[order] == torch.arange(blocks)
    assert int((~back).sum()) == 3 * (blocks % 2)


def test_ranks_are_shared_by_latents_of_one_orbit():
    """Ranks of few samples alone would lose 3 percent of this correlation."""
    copies, samples, rho = 256, 64, 0.8
    generator = torch.Generator().manual_seed(0)
    a, noise = torch.randn(2, samples, copies, generator=generator).double()
    b = (rho * a + (1 - rho**2) ** 0.5 * noise).exp()  # another marginal law
    x = torch.cat((a, b), 1)
    index = torch.arange(2 * copies)
    kind, copy = index // copies, index % copies
    orbits = torch.where(copy[:, None] == copy, 2 * kind[:, None] + kind, 4)
    classes = torch.where(orbits == 1, 0, -1)
    means = mean_pair_informations(x, classes, orbits=orbits, blocks=8, resamples=50)
    expected = float(gaussian_information(torch.tensor(rho)))
    assert abs(float(means.information[0]) - expected) < 2.5 * float(means.error[0])
    assert float(means.error[0]) < 0.03 * expected
    alone = mean_pair_informations(x, classes, orbits=None, blocks=8, resamples=50)
    assert float(alone.information[0]) < expected - 2 * float(means.error[0])


def test_the_baseline_of_pairs_in_both_orders_is_that_of_symmetric_products():
    """A pair and its exchange are one orbit: half as many products, so twice the noise."""
    samples, sites, repeats = 64, 8, 150
    place = torch.arange(sites)
    orbits = (place[None] - place[:, None]) % sites  # of shifts along a ring
    classes = torch.where(orbits == sites // 2, 0, -1)
    values = []
    for seed in range(repeats):
        x = torch.randn(samples, sites, 2, generator=torch.Generator().manual_seed(seed))
        means = mean_pair_informations(
            x, classes, orbits=orbits, blocks=16, resamples=2, permutations=8, seed=seed
        )
        values.append(means.information[0])
    values = torch.stack(values)
    # the baseline of unrelated products would leave 2 / (2 N n) nats
    wrong = 2 / (2 * samples * sites)
    assert abs(float(values.mean())) < min(3 * float(values.std()) / repeats**0.5, 0.4 * wrong)


def test_classes_share_the_noise_of_their_baselines():
    """Where all latents share a slow mode, the mean of all classes is as uncertain as each."""
    classes = torch.full((12, 12), -1)
    first, second = torch.triu_indices(12, 12, 1)
    classes[first, second] = torch.arange(66)
    together, alone = [], []
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        slow = torch.randn(16, 1, 1, 1, generator=generator)  # constant in a chain
        x = (slow + torch.randn(16, 40, 12, 1, generator=generator)).flatten(0, 1)
        settings = {"blocks": 16, "seed": seed, "resamples": 4}
        means = mean_pair_informations(x, classes, **settings)
        spread = (means.drawn @ torch.full((66,), 1 / 66).double()).var()
        weights = torch.full((1, 66), 1 / 66)
        together.append(means.combined(weights)[1][0, 0] - spread)
        one = mean_pair_informations(x, classes.clamp_max(0), **settings)
        alone.append(one.baseline_error.square())
    assert torch.allclose(torch.stack(together), torch.stack(alone)[:, 0], rtol=1e-4)
    assert float(torch.stack(alone).mean().sqrt()) > 3e-3


def test_baselines_of_pairs_without_orbits_are_those_of_cycles():
    """Studies of latents keep their numbers."""
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)).double()
    classes = torch.full((3, 3), -1)
    classes[0, 1] = 0
    means = mean_pair_informations(
        x, classes, blocks=8, permutations=1, seed=5, scores=True, resamples=2
    )
    order = derangement(8, generator_for("pairs of latents", 5))
    parts = x.unflatten(0, (8, -1))
    broken = (parts[:, :, 0] * parts[order][:, :, 1]).mean()
    variance = x.square().mean(0)
    squared = broken**2 / (variance[0] * variance[1])
    assert float(means.baseline[0]) == pytest.approx(float(-0.5 * torch.log1p(-squared)))
