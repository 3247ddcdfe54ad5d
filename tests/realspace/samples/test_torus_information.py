"""Exact mutual information of a block variable on small tori."""

import math

import pytest
import torch

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.realspace.samples.torus_information import torus_information


def test_one_spin_as_the_block_variable():
    # a 1 x 2 torus has a double bond: P(equal) = 1 / (1 + e^-4J); bonds of a site to itself drop
    J = 0.3
    same = 1 / (1 + math.exp(-4 * J))
    exact = math.log(2) + same * math.log(same) + (1 - same) * math.log(1 - same)
    copy = torch.tensor([[40.0]], dtype=torch.float64)
    assert torus_information(J, 1, 2, copy).item() == pytest.approx(exact)


def test_symmetries_and_limits():
    w = torch.tensor([[0.5, 1.0], [-0.3, 0.2]], dtype=torch.float64)
    value = torus_information(CRITICAL_COUPLING, 3, 4, w).item()
    for other in (-w, w.flip(0), w.flip(1)):
        assert torus_information(CRITICAL_COUPLING, 3, 4, other).item() == pytest.approx(value)
    assert torus_information(CRITICAL_COUPLING, 3, 4, 0 * w).item() == pytest.approx(0, abs=1e-13)
    assert torus_information(0.0, 3, 4, w).item() == pytest.approx(0, abs=1e-13)
    ones = torch.full((2, 2), 9.0, dtype=torch.float64)
    assert torus_information(5.0, 3, 4, ones).item() == pytest.approx(math.log(2), abs=1e-6)


def test_blocks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="expected it to fit"):
        torus_information(0.4, 2, 2, torch.ones(3, 1))
