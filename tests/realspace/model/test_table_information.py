"""Mutual information of tables of probabilities."""

import math

import pytest
import torch

from rgflow.realspace.coupling_map.coupling_flow import coupling_weight
from rgflow.realspace.model.block_geometry import PLAQUETTE
from rgflow.realspace.model.rbm import rbm_joint_log_prob
from rgflow.realspace.model.table_information import (
    information_through,
    mutual_information,
    pair_information,
    total_correlation,
)


def test_mutual_information_of_a_noisy_copy():
    p = 0.1
    joint = torch.tensor([[1 - p, p], [p, 1 - p]], dtype=torch.float64) / 2
    expected = math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p)
    assert mutual_information(joint.log()).item() == pytest.approx(expected)
    independent = torch.tensor([0.3, 0.7])[:, None] * torch.tensor([0.2, 0.5, 0.3])
    assert mutual_information(independent.log()).item() == pytest.approx(0, abs=1e-7)


def test_spins_become_independent_given_the_block_variable():
    joint = rbm_joint_log_prob(torch.full((4, 1), coupling_weight(0.44), dtype=torch.float64))
    apart = ~torch.eye(4, dtype=torch.bool)
    before = pair_information(joint.logsumexp(1, keepdim=True))[apart]
    assert before.min() > 0.05
    assert pair_information(joint)[apart].abs().max() < 1e-14
    # given the block variable, spins of the model itself are nearly independent
    assert total_correlation(joint).item() == pytest.approx(0, abs=1e-14)
    law = PLAQUETTE.log_prob(0.44)[:, None]
    given = law + joint - joint.logsumexp(1, keepdim=True)
    assert (pair_information(given) / pair_information(law))[apart].max() < 0.2


def test_pair_information_of_two_spins_is_the_mutual_information():
    joint = torch.tensor([0.4, 0.1, 0.2, 0.3], dtype=torch.float64).log()
    table = pair_information(joint[:, None])
    assert table[0, 1].item() == pytest.approx(mutual_information(joint.view(2, 2)).item())
    entropy = -(0.5 * math.log(0.5) * 2)
    assert table[0, 0].item() == pytest.approx(entropy)


def test_total_correlation_of_spins_with_independent_pairs():
    # three spins of product +1: pairs are independent, all three are not
    states = torch.tensor([1.0, 0, 0, 1, 0, 1, 1, 0], dtype=torch.float64) / 4
    log_joint = (states + 1e-300).log()[:, None]
    apart = ~torch.eye(3, dtype=torch.bool)
    assert pair_information(log_joint)[apart].abs().max() < 1e-12
    assert total_correlation(log_joint).item() == pytest.approx(math.log(2))
    # for two spins it is their mutual information
    joint = torch.tensor([0.4, 0.1, 0.2, 0.3], dtype=torch.float64).log()
    expected = mutual_information(joint.view(2, 2)).item()
    assert total_correlation(joint[:, None]).item() == pytest.approx(expected)


def test_wrong_number_of_channels_is_refused():
    with pytest.raises(ValueError, match="got 3 channels"):
        information_through(torch.zeros(16, 2), [torch.zeros(2, 2)] * 3)
