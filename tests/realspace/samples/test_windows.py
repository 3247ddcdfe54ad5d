"""Blocks cut out of configurations, with their environments."""

import pytest
import torch

from rgflow.realspace.samples.windows import cut_windows, split_torus


def test_windows_are_blocks_and_the_ring_around_them():
    sites = torch.arange(64.0).view(1, 8, 8)
    windows = cut_windows(sites, side=2, buffer=1, stride=4)
    assert windows.blocks.tolist()[0] == [18, 19, 26, 27]
    assert sorted(windows.environment[0].tolist()) == sorted(
        r * 8 + c for r in range(6) for c in range(6) if r in (0, 5) or c in (0, 5)
    )
    assert windows.blocks.tolist()[3] == [54, 55, 62, 63]
    assert windows.environment[3].tolist()[-1] == 9  # around the torus
    assert windows.environment.shape == (4, 20)


def test_corner_of_a_torus_and_all_other_sites():
    windows = split_torus(torch.arange(32.0).view(2, 4, 4), side=3)
    assert windows.blocks[0].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert windows.environment[1].tolist() == [19, 23, 27, 28, 29, 30, 31]


def test_windows_that_do_not_fit_are_refused():
    spins = torch.ones(2, 8, 8)
    with pytest.raises(ValueError, match="windows of 10 sites"):
        cut_windows(spins, side=4, buffer=2, stride=4)
    with pytest.raises(ValueError, match="stride=0"):
        cut_windows(spins, side=2, buffer=0, stride=0)
