"""Couplings between hidden units: chains, plaquettes and 3x3 blocks."""

import itertools
import math

import pytest
import torch

from rgflow.realspace.coupling_map.coupling_flow import (
    flow_slope,
    linearised_flow,
    renormalized_coupling,
)
from rgflow.realspace.coupling_map.marginal import (
    block_couplings,
    block_flow,
    nearest_coupling,
    renormalize,
)
from rgflow.realspace.model.block_geometry import CHAIN, PLAQUETTE, SQUARE
from rgflow.realspace.model.rbm import log_2cosh


def random_weights(spins, hidden, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(spins, hidden, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("J", [0.05, 0.3, 0.7, 1.5])
@pytest.mark.parametrize("seed", range(3))
def test_chain_is_decimated_exactly_from_any_start(J, seed):
    exact = math.log(math.cosh(2 * J)) / 2
    assert renormalize(CHAIN, J).coupling == pytest.approx(exact, abs=1e-12)
    # other weights with the same product of tanh w give the same law, and the same coupling
    result = renormalize(CHAIN, J, random_weights(2, 1, seed))
    assert result.coupling == pytest.approx(exact, abs=1e-10)
    assert result.slope == pytest.approx(math.tanh(2 * J), abs=1e-8)
    assert result.fit.divergence == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("J", [1e-6, 3.0, 6.0, 10.0, 40.0])
def test_couplings_from_weak_to_strong(J):
    plaquette, chain = renormalize(PLAQUETTE, J), renormalize(CHAIN, J)
    assert plaquette.coupling == pytest.approx(renormalized_coupling(J), rel=1e-12)
    assert plaquette.slope == pytest.approx(flow_slope(J), abs=1e-11)
    exact = (2 * J + math.log1p(math.exp(-4 * J)) - math.log(2)) / 2
    assert chain.coupling == pytest.approx(exact, abs=1e-12)
    assert chain.slope == pytest.approx(math.tanh(2 * J), abs=1e-11)


def test_couplings_that_do_not_determine_the_map_are_refused():
    for J in (0.0, -0.5, 41.0, math.nan):
        with pytest.raises(ValueError, match="got the coupling"):
            renormalize(PLAQUETTE, J)
    with pytest.raises(ValueError, match=r"shape \(4, 2\), expected \(4, 1\)"):
        renormalize(PLAQUETTE, 0.6, random_weights(4, 2))
    assert renormalize(SQUARE, 8.0).slope == pytest.approx(3, abs=1e-6)
    with pytest.raises(ValueError, match="above rounding errors"):
        renormalize(SQUARE, 20.0)


def test_free_weights_and_one_weight_agree():
    for J in (0.2, 0.4862611, 1.0):
        result = renormalize(PLAQUETTE, J)
        assert result.coupling == pytest.approx(renormalized_coupling(J), abs=1e-10)
    general, special = block_flow(PLAQUETTE), linearised_flow()
    assert general.fixed_point == pytest.approx(special.fixed_point, abs=1e-10)
    assert general.exponent == pytest.approx(special.exponent, abs=1e-8)


def test_square_blocks_keep_the_symmetry_of_the_lattice():
    result = renormalize(SQUARE, 0.5)
    corners, edges = result.fit.weights[[0, 2, 5, 7], 0], result.fit.weights[[1, 3, 4, 6], 0]
    assert torch.allclose(corners, corners[0], atol=1e-10)
    assert torch.allclose(edges, edges[0], atol=1e-10)
    couplings = block_couplings(SQUARE, result.fit.weights)
    assert set(couplings) == set(itertools.product((-2, 0, 2), repeat=2))
    # the shared edge spin gives 1/2 ln cosh 2w, each of two corners the diagonal coupling
    edge = math.log(math.cosh(2 * edges[0])) / 2
    diagonal = couplings[2, 2].item()
    assert couplings[2, 0].item() == pytest.approx(edge + 2 * diagonal)
    assert 0 < diagonal < result.coupling


def test_square_blocks_have_a_fixed_point():
    flow = block_flow(SQUARE)
    # the fixed point is a recorded value; finite differences check nu
    step = 1e-4
    up, down = (renormalize(SQUARE, flow.fixed_point + d).coupling for d in (step, -step))
    assert math.log(2) / math.log((up - down) / (2 * step)) == pytest.approx(
        flow.exponent, rel=1e-6
    )
    assert flow.fixed_point == pytest.approx(0.5272174, abs=1e-6)
    assert 1 < flow.exponent < 1.5


def test_couplings_of_several_hidden_units():
    w = random_weights(4, 2)
    couplings = block_couplings(PLAQUETTE, w)
    # the spin in corner (1, 1) is corner (0, 0) of the block at (1, 1): expand by hand
    states = list(itertools.product((1.0, -1.0), repeat=4))
    expected = torch.zeros(2, 2, dtype=torch.float64)
    for state in states:
        a, b = torch.tensor(state, dtype=torch.float64).view(2, 2)
        expected += log_2cosh(w[3] @ a + w[0] @ b) * a[:, None] * b / len(states)
    assert torch.allclose(couplings[1, 1], expected, atol=1e-14)
    assert torch.allclose(couplings[-1, -1], couplings[1, 1].T, atol=1e-14)
    # inside a block all four spins couple its two units
    inside = torch.zeros((), dtype=torch.float64)
    for mine, other in ((3, 0), (0, 3), (1, 2), (2, 1)):
        for state in states:
            a, b = torch.tensor(state, dtype=torch.float64).view(2, 2)
            inside += log_2cosh(w[mine] @ a + w[other] @ b) * a[0] * a[1] / len(states)
    assert couplings[0, 0][0, 1].item() == pytest.approx(inside.item(), abs=1e-14)
    assert couplings[0, 0].diag().tolist() == [0, 0]
    assert nearest_coupling(PLAQUETTE, w).shape == (2, 2)


def test_one_dimension_has_no_transition():
    with pytest.raises(ValueError, match="no fixed point"):
        block_flow(CHAIN)
    with pytest.raises(ValueError, match="expected \\(8, hidden\\)"):
        block_couplings(SQUARE, torch.zeros(9, 1))
