import pytest
import torch

from rgflow.realspace.block_geometry import PLAQUETTE
from rgflow.realspace.coupling_flow import coupling_weight
from rgflow.realspace.fit import fit_coinciding, fit_rbm, learn, likeness

# REFERENCE.md, section 2: coupling, weight, divergence
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
    # from huge weights, where a unit copies one spin, there would be no way back
    fit = fit_rbm(PLAQUETTE.log_prob(J), start(1, seed, scale=10.0 ** (2 * seed - 3)))
    assert fit.gradient_norm < 1e-10
    assert fit.divergence == pytest.approx(divergence, abs=1e-7)
    assert fit.weights.flatten().tolist() == pytest.approx([weight] * 4, abs=1e-7)
    assert fit.weights.flatten().tolist() == pytest.approx([coupling_weight(J)] * 4, abs=1e-10)


@pytest.mark.parametrize("J", [0.1, 0.44, 1.0])
def test_a_second_hidden_unit_makes_the_fit_exact(J):
    # two units per plaquette are as many variables as there are spins: nothing is coarse-grained
    fit = fit_rbm(PLAQUETTE.log_prob(J), start(2, seed=0))
    assert fit.divergence < 1e-6
    assert fit_coinciding(PLAQUETTE.log_prob(J), 2).divergence > 1e-3


def test_coinciding_units_are_stationary_but_no_minimum():
    law = PLAQUETTE.log_prob(0.6)
    for hidden, divergence in ((1, 0.0677981), (2, 0.0517398), (3, 0.0461485)):
        fit = fit_coinciding(law, hidden)
        assert fit.divergence == pytest.approx(divergence, abs=1e-7)
        assert fit.gradient_norm < 1e-10
        assert likeness(fit.weights).item() == pytest.approx(1)
    left = fit_rbm(law, fit.weights + 1e-3 * start(3, seed=0))
    assert left.divergence < 0.01


def test_features_coincide_on_the_way_down():
    learning = learn(PLAQUETTE.log_prob(0.6), start(3, seed=1, scale=1e-3), steps=1600)
    at_start, at_plateau, at_end = (learning.likeness[i].item() for i in (0, 20, -1))
    assert at_start < 0.5
    assert at_plateau > 0.9999
    assert at_end < 0.5
    plateau = fit_coinciding(PLAQUETTE.log_prob(0.6), 3).divergence
    assert learning.divergence[20].item() == pytest.approx(plateau, abs=1e-3)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="expected 8 states"):
        fit_rbm(PLAQUETTE.log_prob(0.5), torch.zeros(3, 1, dtype=torch.float64))
    with pytest.raises(ValueError, match="no unit of zeros"):
        fit_rbm(PLAQUETTE.log_prob(0.5), torch.tensor([[1.0, 0.0]] * 4).double())
