"""The law of an RBM and its divergence from a target."""

import itertools
import math

import pytest
import torch

from rgflow.realspace.model.rbm import (
    BlockRBM,
    kl_divergence,
    rbm_joint_log_prob,
    rbm_log_prob,
    spin_states,
)


def random_weights(spins, hidden, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(spins, hidden, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("spins", "hidden"), [(1, 1), (3, 2), (4, 1), (2, 4)])
def test_law_is_that_of_the_definition(spins, hidden):
    w = random_weights(spins, hidden)
    weights = {}
    for s in itertools.product((1, -1), repeat=spins):
        for t in itertools.product((1, -1), repeat=hidden):
            exponent = sum(
                w[i, j].item() * s[i] * t[j] for i in range(spins) for j in range(hidden)
            )
            weights[s, t] = math.exp(exponent)
    total = sum(weights.values())
    joint = rbm_joint_log_prob(w).exp()
    marginal = rbm_log_prob(w).exp()
    for a, s in enumerate(spin_states(spins).int().tolist()):
        row = [weights[tuple(s), tuple(t)] / total for t in spin_states(hidden).int().tolist()]
        assert joint[a].tolist() == pytest.approx(row, rel=1e-12)
        assert marginal[a].item() == pytest.approx(sum(row), rel=1e-12)


def test_law_does_not_depend_on_signs_and_order_of_hidden_units():
    w = random_weights(4, 3)
    changed = (w * torch.tensor([1.0, -1.0, -1.0], dtype=w.dtype))[:, [2, 0, 1]]
    assert torch.allclose(rbm_log_prob(w), rbm_log_prob(changed), atol=1e-14)
    assert torch.allclose(
        rbm_log_prob(w), rbm_log_prob(w).flip(0), atol=1e-14
    )  # all spins flipped


def test_large_weights_do_not_overflow():
    assert rbm_log_prob(1000 * random_weights(4, 2)).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_is_kept(dtype):
    assert rbm_joint_log_prob(random_weights(4, 2).to(dtype)).dtype == dtype


def test_divergence_is_zero_for_the_rbm_itself_only():
    rbm = BlockRBM(4, 2, scale=1.0)
    own, other = rbm.log_prob().detach(), BlockRBM(4, 2, scale=0.5).log_prob().detach()
    assert rbm(own).item() == pytest.approx(0, abs=1e-15)
    assert rbm(other).item() == pytest.approx(kl_divergence(other, own).item())
    assert rbm(other) > 0.01


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="got 0 hidden units"):
        BlockRBM(4, 0)
    for scale in (0.0, math.nan):
        with pytest.raises(ValueError, match="got the scale"):
            BlockRBM(4, scale=scale)
    with pytest.raises(ValueError, match="got 21 spins"):
        spin_states(21)
    with pytest.raises(ValueError, match="shape"):
        rbm_log_prob(torch.zeros(4))
    with pytest.raises(ValueError, match="expected \\(16,\\)"):
        BlockRBM(4)(torch.zeros(8, dtype=torch.float64))
