"""Block spins drawn by a filter."""

import pytest
import torch

from rgflow.montecarlo.blocking import block_spins
from rgflow.realspace.samples.block_filter import filter_spins


def random_spins(*shape, seed=0):
    coin = torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed))
    return (2 * coin - 1).to(torch.int8)


def test_large_equal_weights_give_the_majority_rule():
    spins = random_spins(50, 12, 12)
    odd = filter_spins(spins, torch.full((3, 3), 30.0), generator=torch.Generator())
    assert odd.dtype == torch.int8
    assert torch.equal(odd, block_spins(spins, 3, generator=torch.Generator()))


def test_a_single_large_weight_copies_its_spin():
    spins = random_spins(4, 6, 8)
    for row in range(2):
        for column in range(2):
            weights = torch.zeros(2, 2)
            weights[row, column] = 50
            got = filter_spins(spins, weights, generator=torch.Generator())
            assert torch.equal(got, spins[:, row::2, column::2])


def test_frequencies_follow_the_law_of_the_block_spin():
    spins = torch.ones(1, 200, 200)
    got = filter_spins(spins, torch.full((2, 2), 0.1), generator=torch.Generator().manual_seed(0))
    mean = torch.tanh(torch.tensor(0.4))
    assert abs(got.mean() - mean) < 4 * (1 - mean**2) ** 0.5 / 100


def test_filters_that_do_not_tile_are_refused():
    for shape, words in (((3, 3), "multiples of 3"), ((2, 1), "expected a square one")):
        with pytest.raises(ValueError, match=words):
            filter_spins(random_spins(8, 8), torch.ones(shape), generator=torch.Generator())
