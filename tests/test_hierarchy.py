"""Cones against the Jacobian: exactly those entries are non-zero."""

import pytest
import torch

from rgflow import Hierarchy
from rgflow.hierarchy import Reach, checkerboard, full_pattern
from rgflow.models import (
    BlockLevels,
    BlockNet,
    ConvLevels,
    DenseTop,
    LatticeNet,
    RealNVPLayers,
    block_flow,
    conv_flow,
    realnvp_flow,
)
from rgflow.testing import assert_cones

FLOWS = {
    "conv": lambda: conv_flow(
        32, 1, ConvLevels((2, 1), hidden=3), LatticeNet(kernels=(3, 1)), top=DenseTop(top_hidden=4)
    ),
    "conv_wide_kernels": lambda: conv_flow(
        16, 2, ConvLevels(1, hidden=3, predict=False), LatticeNet(kernels=(3, 3))
    ),
    "conv_no_prediction": lambda: conv_flow(
        24, 1, ConvLevels((3, 2), hidden=3, predict=False), LatticeNet(kernels=(3,))
    ),
    "conv_odd_top": lambda: conv_flow(
        24, 1, ConvLevels(1, hidden=3, mixing="none"), LatticeNet(kernels=(1, 1))
    ),
    "conv_shared": lambda: conv_flow(
        16, 1, ConvLevels(2, hidden=3, share_levels=True), LatticeNet(kernels=(1,))
    ),
    "conv_rows_only": lambda: conv_flow(
        16, 1, ConvLevels(2, hidden=3, pairings=("rows",)), LatticeNet(kernels=(1,))
    ),
    "block_2": lambda: block_flow(16, 1, BlockLevels(2, 2), BlockNet("mlp", hidden=(4,))),
    "block_4": lambda: block_flow(16, 1, BlockLevels(4, 3), BlockNet("mlp", hidden=(4,))),
    "block_4_one_coupling": lambda: block_flow(
        16, 2, BlockLevels(4, 1), BlockNet("mlp", hidden=(4,))
    ),
    "block_4_mixed": lambda: block_flow(
        16, 1, BlockLevels(4, 1, mixing="layers", site_affine=True), BlockNet("mlp", hidden=(4,))
    ),
    "block_6": lambda: block_flow(24, 1, BlockLevels(6, (2, 1)), BlockNet("mlp", hidden=(4,))),
    "block_repeats": lambda: block_flow(
        16, 1, BlockLevels(2, 2, repeats=2), BlockNet("mlp", hidden=(4,))
    ),
    "block_decimator_first": lambda: block_flow(
        16, 1, BlockLevels(4, 2, order=("decimator", "disentangler")), BlockNet("mlp", hidden=(4,))
    ),
    "block_single": lambda: block_flow(4, 1, BlockLevels(4, 1), BlockNet("mlp", hidden=(4,))),
}


@pytest.mark.parametrize("kind", FLOWS)
def test_cones_are_the_non_zero_entries_of_the_jacobian(kind):
    torch.manual_seed(1)
    flow = FLOWS[kind]()
    assert_cones(flow.bijector, torch.randn(flow.event_shape, dtype=torch.float64))
    side = flow.hierarchy.side
    sites = torch.eye(side * side, dtype=torch.bool).reshape(-1, side, side)
    if kind != "block_single":  # the cones of all others leave something out
        assert not flow.hierarchy.inference_cone(sites).all()
        assert not flow.hierarchy.generation_cone(sites).all()


def test_a_cone_of_many_sites_is_the_union():
    hierarchy = FLOWS["block_4"]().hierarchy
    a, b = torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0)) < 0.02
    for cone in (hierarchy.inference_cone, hierarchy.generation_cone):
        assert torch.equal(cone(a | b), cone(a) | cone(b))
        assert torch.equal(cone(a) & a, a)
        assert not cone(torch.zeros_like(a)).any()


def test_levels_of_the_published_model():
    hierarchy = block_flow(
        32, 3, BlockLevels(4, 1), BlockNet(hidden=4, residual_blocks=1)
    ).hierarchy
    assert hierarchy.levels == 4
    assert hierarchy.latents_per_level == (768, 192, 48, 16)
    total = torch.stack([hierarchy.level_mask(h) for h in range(4)]).sum(0)
    assert torch.equal(total, torch.ones(32, 32, dtype=total.dtype))
    assert hierarchy.level_mask(3).nonzero().remainder(8).sum() == 0
    assert hierarchy.per_site([0.0, 1.0, 2.0, 3.0])[8, 24] == 3.0


def test_cone_sizes_of_a_two_site_block_by_hand():
    # one layer of 2 x 2 blocks in which everything is coupled, on 4 x 4, then on the kept 2 x 2
    full = Reach(2, full_pattern(2), full_pattern(2))
    hierarchy = Hierarchy(4, [[full], [full]])
    pixel = torch.zeros(4, 4, dtype=torch.bool)
    pixel[1, 2] = True
    expected = torch.tensor([[1, 0, 1, 1], [0, 0, 1, 1], [1, 0, 1, 0], [0, 0, 0, 0]]).bool()
    assert torch.equal(hierarchy.inference_cone(pixel), expected)
    latent = torch.zeros(4, 4, dtype=torch.bool)
    latent[2, 0] = True  # a latent of the top
    assert hierarchy.generation_cone(latent).all()


def test_offset_and_radius():
    even, odd = checkerboard(2, 0), checkerboard(2, 1)
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[7, 7] = True  # with offset 1 it is the (0, 0) corner of the cell that wraps around
    spread = Reach(2, even, odd, radius=0, offset=1).spread(mask)
    assert {tuple(s) for s in spread.nonzero().tolist()} == {(7, 7), (7, 0), (0, 7)}
    assert Reach(2, odd, even, radius=1, offset=1).spread(mask).sum() == 1
    assert Reach(2, even, odd, radius=1, offset=1).spread(mask).sum() == 9 * 2 + 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda h: h.level_mask(4), "level 4 does not exist"),
        (lambda h: h.per_site([1.0]), "one for each"),
        (lambda h: h.inference_cone(torch.zeros(4, 4, dtype=torch.bool)), "expected"),
        (lambda h: h.generation_cone(torch.zeros(16, 16)), "torch.bool"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(FLOWS["block_2"]().hierarchy)


def test_lattices_and_cells_that_do_not_tile_are_refused():
    cell = Reach(4, full_pattern(4), full_pattern(4))
    with pytest.raises(ValueError, match="do not tile"):
        Hierarchy(8, [[cell], [cell], [cell]])
    with pytest.raises(ValueError, match="expected one level or more and a multiple of 4"):
        Hierarchy(6, [[], [], []])


def test_real_nvp_has_no_hierarchy():
    flow = realnvp_flow(8, 1, RealNVPLayers(2, 1, hidden=4), pixels=True)
    assert flow.hierarchy is None
    with pytest.raises(ValueError, match="no levels"):
        flow.sample(1, temperature=[1.0, 0.5])


@pytest.mark.parametrize("mixing", ["first", "layers"])
def test_mixing_inside_cells_leaves_the_cones_of_blocks_as_they_are(mixing):
    plain, mixed = (
        block_flow(32, 1, BlockLevels(4, 2, mixing=m), BlockNet("mlp", hidden=(2,))).hierarchy
        for m in ("none", mixing)
    )
    for top, left in ((0, 0), (2, 2), (5, 8), (14, 3)):
        mask = torch.zeros(32, 32, dtype=torch.bool)
        mask[top : top + 4, left : left + 4] = True
        assert torch.equal(mixed.inference_cone(mask), plain.inference_cone(mask))
        assert torch.equal(mixed.generation_cone(mask), plain.generation_cone(mask))
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[14:18, 14:18] = True
    assert mixed.inference_cone(mask).sum() == 160
