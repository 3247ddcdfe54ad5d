"""Copies of one spin against uniform weights."""

import math

import pytest
import torch

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.realspace.block_variable.block_loss import train_block
from rgflow.realspace.coupling_map.coupling_flow import (
    UNIFORM_BETA,
    coupling_weight,
)
from rgflow.realspace.experiments.one_spin_copy import copy_advantage, flow_limit, uniform_limit


def test_free_weights_find_the_copy_of_one_spin():
    start = torch.tensor([[0.1], [0.2], [0.2], [4.0]], dtype=torch.float64)
    copy = train_block(0.2, 3.0, start)
    assert copy.weights.abs().max() > 10
    uniform = torch.full((4, 1), coupling_weight(0.2, 3.0), dtype=torch.float64)
    best = train_block(0.2, 3.0, uniform)
    losses = [c.divergence - 3 * c.information for c in (copy, best)]
    assert losses == pytest.approx([-0.0942, -0.0818], abs=1e-4)
    assert copy_advantage(0.2, 3.0) == pytest.approx(losses[1] - losses[0], abs=1e-9)


def test_range_of_beta_in_which_uniform_weights_are_best():
    assert flow_limit() == pytest.approx(UNIFORM_BETA, abs=1e-7)
    beta = uniform_limit(0.1)
    assert copy_advantage(0.1, beta - 0.01) < 0 < copy_advantage(0.1, beta + 0.01)
    assert uniform_limit(0.1, highest=0.5) == math.inf
    assert copy_advantage(CRITICAL_COUPLING, 3.0) < -0.1
