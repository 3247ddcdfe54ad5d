"""Geometry and law of the blocks."""

import math

import pytest
import torch

from rgflow.realspace.model.block_geometry import CHAIN, PLAQUETTE, SQUARE, Block
from rgflow.realspace.model.rbm import spin_states

BLOCKS = {"plaquette": PLAQUETTE, "square": SQUARE, "chain": CHAIN}


def test_law_of_a_plaquette_is_the_boltzmann_law_of_four_bonds():
    s = spin_states(4)
    bonds = s[:, 0] * s[:, 1] + s[:, 2] * s[:, 3] + s[:, 0] * s[:, 2] + s[:, 1] * s[:, 3]
    weights = (0.6 * bonds).exp()
    assert torch.allclose(PLAQUETTE.log_prob(0.6).exp(), weights / weights.sum(), atol=1e-15)


def test_inner_spin_of_the_chain_is_summed_out():
    # sum_s exp(J s (a + b)) = 2 cosh(J (a + b))
    aligned = math.cosh(1.4) / (2 * math.cosh(1.4) + 2)
    assert CHAIN.log_prob(0.7).exp().tolist() == pytest.approx(
        [aligned, 0.5 - aligned, 0.5 - aligned, aligned]
    )


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
def test_law_is_normalized_symmetric_and_flat_without_coupling(block):
    log_prob = block.log_prob(0.8)
    assert log_prob.exp().sum().item() == pytest.approx(1)
    assert torch.allclose(log_prob, log_prob.flip(0), atol=1e-14)
    assert torch.allclose(block.log_prob(0.0), torch.tensor(-math.log(len(log_prob))).double())
    assert block.log_prob(500.0).exp().isfinite().all()


def test_every_spin_of_a_plaquette_lies_in_two_plaquettes():
    assert [len(owners) for owners in PLAQUETTE.owners] == [2, 2, 2, 2]
    assert sorted(len(owners) for owners in SQUARE.owners) == [1, 2, 2, 2, 2, 4, 4, 4, 4]
    assert [b.rescaling**2 for b in BLOCKS.values()] == pytest.approx([2, 4, 4])


def test_blocks_that_leave_out_bonds_are_refused():
    square = ((0, 0), (0, 1), (1, 0), (1, 1))
    with pytest.raises(ValueError, match="got 4 bonds per block, expected 8"):
        Block(square, ((2, 0), (0, 2)))
    with pytest.raises(ValueError, match="independent"):
        Block(square, ((1, 1), (2, 2)))
    with pytest.raises(ValueError, match="finite"):
        PLAQUETTE.log_prob(math.nan)
