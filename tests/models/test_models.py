"""Flows from plain numbers: which lattices are taken, which are refused."""

import pytest
import torch
from all_couplings import SinhArcsinh

from rgflow.models import (
    BlockLevels,
    BlockNet,
    ConvLevels,
    CouplingKind,
    DenseTop,
    LatticeNet,
    Outside,
    RealNVPLayers,
    block_flow,
    conv_flow,
    realnvp_flow,
)
from rgflow.models.grow import grow
from rgflow.runtime.groups import setting_names
from rgflow.testing import perturbed


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
    flow = conv_flow(side, 1, ConvLevels(1, hidden=2), top=DenseTop(smallest_side=smallest))
    assert flow.hierarchy.latents_per_level == sites
    assert flow.sample(2).shape == (2, 1, side, side)


@pytest.mark.parametrize("side", [7, 33, 2, 62, 68])
def test_sides_without_a_small_top_are_refused(side):
    with pytest.raises(ValueError, match=f"side {side}.*expected an even side"):
        conv_flow(side, 1, ConvLevels(1, hidden=2))


@pytest.mark.parametrize(
    ("side", "block", "sites"), [(4, 4, (16,)), (8, 2, (48, 12, 4)), (24, 6, (432, 108, 36))]
)
def test_block_levels_tile(side, block, sites):
    flow = block_flow(side, 1, BlockLevels(block, 1), BlockNet(hidden=4, residual_blocks=1))
    assert flow.hierarchy.latents_per_level == sites


@pytest.mark.parametrize(("side", "block"), [(12, 4), (10, 4), (32, 3), (4, 8), (8, 0)])
def test_blocks_that_do_not_tile_are_refused(side, block):
    with pytest.raises(ValueError, match=r"do(es)? not tile|even block side"):
        block_flow(side, 1, BlockLevels(block, 1), BlockNet(hidden=4, residual_blocks=1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: conv_flow(8, 1, ConvLevels(())), "couplings: got no entry"),
        (lambda: conv_flow(8, net=LatticeNet(kernels=(2,))), "odd"),
        (lambda: conv_flow(8, memory="x"), "memory"),
        (lambda: conv_flow(32, 1, ConvLevels((1, 2), share_levels=True)), "differ in .*bijectors"),
        (
            lambda: conv_flow(32, 1, ConvLevels(1, share_levels=True), LatticeNet(site_bias=True)),
            "differ in .*site_bias",
        ),
        (lambda: block_flow(16, 1, BlockLevels(2, 1, mixing="first")), "a multiple of 4"),
        (lambda: block_flow(16, 1, BlockLevels(4, 1, mixing="pairs")), "'first' or 'layers'"),
        (
            lambda: block_flow(16, 1, BlockLevels(4, (1, 2), share_levels=True)),
            "differ in .*couplings",
        ),
        (
            lambda: conv_flow(8, 1, ConvLevels(1), kind=CouplingKind("cubic")),
            "'affine', 'spline' or a Transform",
        ),
        (
            lambda: conv_flow(8, 1, ConvLevels(1), outside=Outside(prior="cauchy")),
            "prior 'cauchy'",
        ),
        (lambda: conv_flow(8, 1, ConvLevels(1, pairings=("diagonal",))), "pairing 'diagonal'"),
        (
            lambda: conv_flow(8, 1, ConvLevels(1), kind=CouplingKind(scale_bound=0.0)),
            "scale_bound",
        ),
        (lambda: block_flow(8, 1, BlockLevels(4, 1), BlockNet("transformer")), "conditioner"),
        (lambda: block_flow(8, 1, BlockLevels(4, 1), BlockNet(hidden=(3, 3))), "one hidden width"),
        (
            lambda: block_flow(
                8, 1, BlockLevels(4, 1), BlockNet(separate_heads=True), kind=CouplingKind("spline")
            ),
            "separate_heads: got true with coupling='spline'",
        ),
        (
            lambda: realnvp_flow(12, 1, RealNVPLayers(3)),
            "3 scales, expected one scale or more and a multiple of 8",
        ),
        (
            lambda: conv_flow(
                8, 1, ConvLevels(1), LatticeNet(kernels=(7, 3)), top=DenseTop(smallest_side=2)
            ),
            "do not fit",
        ),
        (lambda: realnvp_flow(8, 1, RealNVPLayers(3, kernels=(5,))), "do not fit"),
        (lambda: conv_flow(8, 1, ConvLevels(1, hidden=0)), "hidden"),
    ],
)
def test_unknown_choices_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make", [lambda kind: conv_flow(8, kind=kind), lambda kind: block_flow(8, kind=kind)]
)
def test_the_elementwise_map_may_be_ones_own(make):
    flow = perturbed(make(CouplingKind(SinhArcsinh())))
    x = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    flow = flow.double()
    torch.testing.assert_close(flow.decode(flow.encode(x)), x)
    assert any(type(m.transform) is SinhArcsinh for m in flow.modules() if hasattr(m, "transform"))


@pytest.mark.parametrize("side", [4, 8, 12, 16, 28])
def test_defaults_fit_every_side(side):
    """Lists per level are cut, or their last entry repeated."""
    assert conv_flow(side, levels=ConvLevels(hidden=2)).sample(1).shape == (1, 3, side, side)
    if side & (side - 1) == 0:
        flow = block_flow(side, net=BlockNet(hidden=2, residual_blocks=1))
        assert flow.sample(1).shape == (1, 3, side, side)


SHARED = {
    "conv": lambda side: conv_flow(side, 1, ConvLevels(3, hidden=4, share_levels=True)),
    "block": lambda side: block_flow(
        side, 1, BlockLevels(2, 3, share_levels=True), BlockNet(hidden=4)
    ),
}


@pytest.mark.parametrize("kind", SHARED)
def test_shared_levels_are_one_step_of_renormalization(kind):
    torch.manual_seed(0)
    flow, larger = perturbed(SHARED[kind](16)).float(), SHARED[kind](32)
    count = [sum(p.numel() for p in f.parameters()) for f in (flow, larger)]
    assert count[0] == count[1]  # of any number of levels
    level0, level1 = flow.bijector.level_bijectors[:2]
    for a, b in zip(level0.parameters(), level1.parameters(), strict=True):
        assert a is b
    grow(larger, flow)
    for level in larger.bijector.level_bijectors[:-1]:
        for a, b in zip(level.parameters(), level0.parameters(), strict=True):
            assert torch.equal(a, b)
    # what a coarse level learns moves the fine one, and a checkpoint keeps it so
    loss = flow.bijector.level_bijectors[1](torch.randn(4, 1, 8, 8))[1].sum()
    loss.backward()
    assert any(p.grad is not None and p.grad.any() for p in level0.parameters())
    again = SHARED[kind](16)
    again.load_state_dict(flow.state_dict())
    x = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(again.log_prob(x), flow.log_prob(x))


@pytest.mark.parametrize(("separate", "nets"), [(False, 40), (True, 80)])
def test_the_published_configuration_has_the_published_parameters(separate, nets):
    """100.6 million in two nets a coupling (arXiv:2010.00029), half in one trunk."""
    with torch.device("meta"):
        flow = block_flow(
            32, 3, BlockLevels(4, (8, 6, 4, 2)), BlockNet(width=48, separate_heads=separate)
        )
    count = sum(p.numel() for p in flow.parameters())
    per_net = 4 * (48 * 512 + 512 * 512 + 512 * 48)
    assert nets * per_net < count < 1.03 * nets * per_net


@pytest.mark.parametrize("conditioner", ["mlp", "residual"])
@pytest.mark.parametrize("symmetry", ["none", "equivariant"])
def test_scale_and_shift_from_a_net_each(conditioner, symmetry):
    torch.manual_seed(0)
    hidden = (5,) if conditioner == "mlp" else 5
    flow = block_flow(
        4,
        1,
        BlockLevels(2, 2),
        BlockNet(conditioner, hidden=hidden, separate_heads=True),
        outside=Outside(symmetry=symmetry),
    )
    flow = perturbed(flow)
    x = torch.randn(3, 1, 4, 4, dtype=torch.float64)
    z, log_det = flow.bijector(x)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda v: flow.bijector(v[None])[0][0]))(x)
    wanted = torch.linalg.slogdet(jacobian.view(3, 16, 16))[1]
    torch.testing.assert_close(log_det, wanted)
    torch.testing.assert_close(flow.bijector.inverse(z)[0], x)
    # the same function with machine code, where there is some
    torch.testing.assert_close(flow.float().log_prob(x.float()), flow.double().log_prob(x).float())


SETTINGS = {
    conv_flow: """side channels couplings hidden kernels nonlinearity pairings predict mixing
        site_bias site_affine coupling scale_bound bins smallest_side largest_top top_couplings
        top_hidden prior pixels fourier symmetry average memory share_levels""",
    block_flow: """side channels block couplings conditioner width hidden residual_blocks
        nonlinearity separate_heads order repeats coupling scale_bound bins prior pixels fourier
        symmetry average memory share_levels mixing site_affine""",
    realnvp_flow: """side channels scales couplings hidden kernels nonlinearity scale_bound prior
        pixels memory""",
}


@pytest.mark.parametrize("maker", SETTINGS)
def test_the_flat_settings_in_checkpoints_keep_their_names(maker):
    assert set(setting_names(maker)) == set(SETTINGS[maker].split())
