"""Which block variable is learned beside a decoy of noise spins."""

import pytest
import torch

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.realspace.block_variable.block_loss import block_loss, train_block
from rgflow.realspace.block_variable.environment import environment_mutual_information
from rgflow.realspace.coupling_map.coupling_flow import coupling_weight
from rgflow.realspace.experiments.decoy import decoy_experiment, switching_beta
from rgflow.realspace.model.block_geometry import PLAQUETTE

DECOY = 0.6


def start(rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 1, generator=generator, dtype=torch.float64)


def test_likelihood_is_deceived_and_information_is_not():
    betas = (0.0, 1.0, 1.25, 3.0)
    choices = decoy_experiment(CRITICAL_COUPLING, DECOY, betas, torch.Generator().manual_seed(0))
    assert [c.share_of_spins for c in choices] == pytest.approx([0, 0, 1, 1], abs=1e-9)
    assert all(c.gradient_norm < 1e-10 for c in choices)
    deceived, rbm = choices[0], choices[-1]
    assert deceived.weights[4:, 0].tolist() == pytest.approx([coupling_weight(DECOY)] * 4)
    assert deceived.information == pytest.approx(0, abs=1e-12)
    expected = coupling_weight(CRITICAL_COUPLING, 3.0)
    assert rbm.weights[:4, 0].tolist() == pytest.approx([expected] * 4, abs=1e-9)
    assert rbm.information > 0.3


def test_choice_changes_where_both_rbms_are_equally_good():
    switch = switching_beta(CRITICAL_COUPLING, DECOY)
    betas = (switch - 0.01, switch + 0.01)
    choices = decoy_experiment(CRITICAL_COUPLING, DECOY, betas, torch.Generator(), 0)
    assert [c.share_of_spins for c in choices] == pytest.approx([0, 1], abs=1e-6)
    with pytest.raises(ValueError, match="better at beta = 0"):
        switching_beta(CRITICAL_COUPLING, 0.3)


def test_strong_decoy_is_learned_with_small_weights_on_the_spins_below_the_switch():
    switch = switching_beta(CRITICAL_COUPLING, 1.0)
    assert switch == pytest.approx(3.83726, abs=1e-4)
    betas = (2.0, switch - 0.02, switch + 0.02)
    choices = decoy_experiment(CRITICAL_COUPLING, 1.0, betas, torch.Generator(), 0)
    shares = [c.share_of_spins for c in choices]
    assert shares == pytest.approx([0, 0.058, 1], abs=1e-3)


@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0])
def test_free_weights_find_the_symmetric_solution(beta):
    choice = train_block(0.44, beta, start(4))
    assert choice.weights.flatten().tolist() == pytest.approx([coupling_weight(0.44, beta)] * 4)


def test_divergence_is_additive_and_information_ignores_the_noise():
    weights, noise = start(8), PLAQUETTE.log_prob(DECOY)
    only_spins = torch.cat([weights[:4], torch.zeros(4, 1)])
    loss = block_loss(0.44, only_spins, noise)
    alone = block_loss(0.44, weights[:4])
    # an RBM without weights on the noise misses the total correlation of the noise spins
    missed = (noise.exp() * noise).sum() + 4 * torch.tensor(2.0).log()
    assert loss.divergence.item() == pytest.approx((alone.divergence + missed).item())
    expected = environment_mutual_information(0.44, weights[:4, 0]).item()
    assert loss.information.item() == pytest.approx(expected)
    # given the block variable the noise of the RBM is independent of its spins
    both = block_loss(0.44, weights, noise)
    assert both.information.item() == pytest.approx(expected)
    assert both.divergence > loss.divergence


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="expected \\(8, hidden\\)"):
        block_loss(0.44, start(4), PLAQUETTE.log_prob(1.0))
