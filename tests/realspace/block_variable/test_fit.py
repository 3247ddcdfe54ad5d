"""Fits of an RBM to the law of a plaquette, with one and with several hidden units."""

import pytest
import torch

from rgflow.realspace.block_variable.fit import (
    cosine_similarity,
    fit_coinciding,
    fit_rbm,
    gradient_descent,
)
from rgflow.realspace.coupling_map.coupling_flow import coupling_weight
from rgflow.realspace.model.block_geometry import PLAQUETTE

# coupling, weight, divergence in nats
EXACT = [
    (0.1, 0.2772751, 0.0053416),
    (0.3, 0.5548450, 0.0316889),
    (0.6, 0.9869690, 0.0677981),
    (1.0, 1.6859470, 0.0559716),
]


def start(hidden, seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(4, hidden, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("J", "weight", "divergence"), EXACT)
@pytest.mark.parametrize("seed", range(4))
def test_one_hidden_unit_from_any_start(J, weight, divergence, seed):
    # the start is rescaled: at huge weights, where a unit copies one spin, the gradient vanishes
    fit = fit_rbm(PLAQUETTE.log_prob(J), start(1, seed, scale=10.0 ** (2 * seed - 3)))
    assert fit.gradient_norm < 1e-10
    assert fit.divergence == pytest.approx(divergence, abs=1e-7)
    assert fit.weights.flatten().tolist() == pytest.approx([weight] * 4, abs=1e-7)
    assert fit.weights.flatten().tolist() == pytest.approx([coupling_weight(J)] * 4, abs=1e-10)


def test_start_with_the_symmetry_of_a_saddle_finds_the_minimum():
    staggered = torch.tensor([[1.0], [-1.0], [-1.0], [1.0]], dtype=torch.float64)
    fit = fit_rbm(PLAQUETTE.log_prob(0.5), staggered)
    assert fit.converged
    assert fit.weights.flatten().tolist() == pytest.approx([coupling_weight(0.5)] * 4, abs=1e-10)


@pytest.mark.parametrize("J", [0.1, 0.6])
def test_two_hidden_units_have_their_limit_at_infinity(J):
    # the units copy two opposite spins and couple to the other two with the bare coupling
    fit = fit_rbm(PLAQUETTE.log_prob(J), start(2, seed=1))
    assert not fit.converged
    assert fit.divergence < 1e-6
    assert fit.weights.abs().max() > 5
    if J == 0.6:
        others = fit.weights.abs().sum(1).topk(2, largest=False).indices
        assert torch.allclose(fit.weights[others].abs(), torch.tensor(J).double(), atol=1e-4)
    assert fit_coinciding(PLAQUETTE.log_prob(J), 2).divergence > 1e-3


def test_three_hidden_units_fit_exactly_with_finite_weights():
    fit = fit_rbm(PLAQUETTE.log_prob(0.6), start(3, seed=0))
    assert fit.converged
    assert abs(fit.divergence) < 1e-14
    assert fit.weights.abs().max() < 5


def test_coinciding_units_are_a_stationary_point_but_no_minimum():
    law = PLAQUETTE.log_prob(0.6)
    for hidden, divergence in ((1, 0.0677981), (2, 0.0517398), (3, 0.0461485)):
        fit = fit_coinciding(law, hidden)
        assert fit.divergence == pytest.approx(divergence, abs=1e-7)
        assert fit.gradient_norm < 1e-10
        assert cosine_similarity(fit.weights).item() == pytest.approx(1)
    left = fit_rbm(law, fit.weights + 1e-3 * start(3, seed=0))
    assert left.divergence < 0.01


def test_features_coincide_during_gradient_descent():
    descent = gradient_descent(PLAQUETTE.log_prob(0.6), start(3, seed=1, scale=1e-3), steps=1600)
    at_start, at_plateau, at_end = (descent.cosine_similarity[i].item() for i in (0, 20, -1))
    assert at_start < 0.5
    assert at_plateau > 0.9999
    assert at_end < 0.5
    plateau = fit_coinciding(PLAQUETTE.log_prob(0.6), 3).divergence
    assert descent.divergence[20].item() == pytest.approx(plateau, abs=1e-3)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="expected 8 states"):
        fit_rbm(PLAQUETTE.log_prob(0.5), torch.zeros(3, 1, dtype=torch.float64))
    with pytest.raises(ValueError, match="no unit of zeros"):
        fit_rbm(PLAQUETTE.log_prob(0.5), torch.tensor([[1.0, 0.0]] * 4).double())
