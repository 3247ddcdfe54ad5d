import math

import pytest
import torch

from rgflow.statistics import LEAST_FOR_ESS, effective_sample_size, metropolis_acceptance
from rgflow.training.validation_tally import Tally


def test_numbers_are_those_of_all_batches_and_processes():
    first, second = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0)).double()
    tally = Tally("cpu")
    tally.add_samples(first)
    tally.add_samples(second)
    tally.add_states(torch.tensor([1.0, 2.0]))
    tally.add_states(torch.tensor([6.0]))
    both = torch.cat((first, second))
    second_process = torch.tensor([3.0, 5.0])  # of its states another mean

    def all_gather(t):
        return torch.stack((t, second_process * t if len(t) == 2 else 3 * t))

    found = tally.numbers(all_gather, log_z=2.0)
    weights = torch.cat((both, 3 * both))
    assert found["free_energy_bound"] == pytest.approx(-float(weights.mean()))
    assert found["kl_nats"] == pytest.approx(2 - float(weights.mean()))
    assert found["cross_entropy"] == pytest.approx((9 + 27) / (3 + 15))
    assert found["ess"] == pytest.approx(effective_sample_size(weights, minimum=2).ess)
    assert found["acceptance"] == pytest.approx(metropolis_acceptance(weights))


@pytest.mark.parametrize("number", [2, LEAST_FOR_ESS - 1, LEAST_FOR_ESS])
def test_the_ess_of_few_samples_is_called_so(number):
    tally = Tally("cpu")
    tally.add_samples(torch.zeros(number))
    found = tally.numbers(lambda t: t, log_z=None)
    assert "pareto_k" not in found  # equal weights have no tail
    assert ("ess" in found) == (number >= LEAST_FOR_ESS)
    assert ("ess_of_few" in found) == (number < LEAST_FOR_ESS)
    assert "kl_nats" not in found
    assert math.isnan(found["cross_entropy"])


def test_weights_that_are_no_numbers_have_no_ess():
    tally = Tally("cpu")
    tally.add_samples(torch.tensor([0.0, math.nan]))
    found = tally.numbers(lambda t: t, log_z=1.0)
    assert math.isnan(found["kl_nats"])
    assert not found.keys() & {"ess", "ess_of_few", "acceptance", "largest_share"}


def test_the_tail_of_the_weights_is_told():
    tally = Tally("cpu")
    tally.add_samples(-0.5 * torch.rand(1000, generator=torch.Generator().manual_seed(0)).log())
    assert 0.3 < tally.numbers(lambda t: t, log_z=None)["pareto_k"] < 0.8
