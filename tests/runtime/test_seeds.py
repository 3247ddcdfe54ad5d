import torch

from rgflow.runtime.seeds import derived_seed, generator_for


def test_streams_depend_on_every_part_of_the_key():
    keys = [("a", 0, 0, 0), ("a", 1, 0, 0), ("a", 0, 1, 0), ("a", 0, 0, 1), ("a", 0, 0, 0, 1)]
    keys += [("b", 0, 0, 0), ("a0", 0, 0), ("a", "0", 0, 0)]
    draws = [float(torch.rand(1, generator=generator_for(*key))) for key in keys]
    assert len(set(draws)) == len(keys)
    assert draws == [float(torch.rand(1, generator=generator_for(*key))) for key in keys]


def test_seeds_stay_what_they_are():
    # generated image sets and splits depend on them
    assert derived_seed("permutation", "mnist", 0) == 1914260909826408226
