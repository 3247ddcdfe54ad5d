"""Flows from plain numbers: which lattices are taken, which are refused."""

import pytest
import torch

from rgflow.models import block_flow, conv_flow, realnvp_flow


@pytest.mark.parametrize(
    ("side", "smallest", "sites"),
    [
        (6, 4, (27, 9)),
        (8, 4, (48, 16)),
        (12, 4, (108, 27, 9)),
        (14, 4, (147, 49)),
        (20, 4, (300, 75, 25)),
        (22, 4, (363, 121)),
        (26, 4, (507, 169)),
        (4, 4, (12, 4)),
        (32, 4, (768, 192, 48, 16)),
        (8, 2, (48, 12, 4)),
    ],
)
def test_conv_levels_come_down_to_a_small_top(side, smallest, sites):
    flow = conv_flow(side, 1, 1, hidden=2, smallest_side=smallest)
    assert flow.hierarchy.latents_per_level == sites
    assert flow.sample(2).shape == (2, 1, side, side)


@pytest.mark.parametrize("side", [7, 33, 2, 62, 68])
def test_sides_without_a_small_top_are_refused(side):
    with pytest.raises(ValueError, match=f"side {side}.*expected an even side"):
        conv_flow(side, 1, 1, hidden=2)


@pytest.mark.parametrize(
    ("side", "block", "sites"), [(4, 4, (16,)), (8, 2, (48, 12, 4)), (24, 6, (432, 108, 36))]
)
def test_block_levels_tile(side, block, sites):
    flow = block_flow(side, 1, block, 1, hidden=4, residual_blocks=1)
    assert flow.hierarchy.latents_per_level == sites


@pytest.mark.parametrize(("side", "block"), [(12, 4), (10, 4), (32, 3), (4, 8), (8, 0)])
def test_blocks_that_do_not_tile_are_refused(side, block):
    with pytest.raises(ValueError, match=r"do(es)? not tile|even block side"):
        block_flow(side, 1, block, 1, hidden=4, residual_blocks=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: conv_flow(8, 1, (1, 1, 1)), "couplings has 3 entries"),
        (lambda: conv_flow(8, 1, ()), "couplings has 0 entries"),
        (lambda: conv_flow(8, 1, 1, coupling="cubic"), "'affine' or 'spline'"),
        (lambda: conv_flow(8, 1, 1, prior="cauchy"), "prior 'cauchy'"),
        (lambda: conv_flow(8, 1, 1, pairings=("diagonal",)), "pairing 'diagonal'"),
        (lambda: conv_flow(8, 1, 1, scale_bound=0.0), "scale_bound"),
        (lambda: block_flow(8, 1, 4, 1, conditioner="transformer"), "conditioner"),
        (lambda: block_flow(8, 1, 4, 1, hidden=(3, 3)), "one hidden width"),
        (lambda: realnvp_flow(12, 1, 3), "squeezed 3 times"),
        (lambda: conv_flow(8, 1, 1, kernels=(7, 3), smallest_side=2), "do not fit"),
        (lambda: realnvp_flow(8, 1, 3, kernels=(5,)), "do not fit"),
        (lambda: conv_flow(8, 1, 1, hidden=0), "hidden"),
    ],
)
def test_unknown_choices_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_published_configuration_has_half_the_published_parameters():
    """One trunk with two heads instead of two nets: 100.6 million become 50 (arXiv:2010.00029)."""
    with torch.device("meta"):
        flow = block_flow(32, 3, 4, (8, 6, 4, 2), width=48)
    count = sum(p.numel() for p in flow.parameters())
    per_net = 4 * (48 * 512 + 512 * 512 + 512 * 48)
    assert 40 * per_net < count < 1.03 * 40 * per_net
