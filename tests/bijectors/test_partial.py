"""Partial maps give the numbers of the full map, and compute no block that they need not."""

import pytest
import torch
from support import make_bijector, perturbed

from rgflow.bijectors import (
    MERA,
    Chain,
    CirculantRoot,
    ElementwiseAffine,
    ElementwiseSpline,
    Inverse,
    PixelLogit,
    partial,
)
from rgflow.bijectors.known import trace
from rgflow.bijectors.partial import decoding_plan, encoding_plan
from rgflow.models import (
    BlockLevels,
    BlockNet,
    ConvLevels,
    CouplingKind,
    Outside,
    RealNVPLayers,
    block_flow,
    conv_flow,
    realnvp_flow,
)

SIDE = 16
NET = BlockNet("mlp", (8,))


def _block(levels, channels=2, **settings):
    return block_flow(SIDE, channels, levels, NET, **settings)


FLOWS = {
    "one_coupling": lambda: _block(BlockLevels(4, 1)),
    "both_mixings": lambda: _block(BlockLevels(4, 2, repeats=2, mixing="layers")),
    "mixing_first": lambda: _block(
        BlockLevels(4, 3, ("decimator", "disentangler"), mixing="first"), 3
    ),
    "splines": lambda: _block(
        BlockLevels(4, 2, mixing="layers"), 1, kind=CouplingKind("spline", bins=4)
    ),
    "small_blocks": lambda: _block(BlockLevels(2, 3)),
    "small_blocks_of_splines": lambda: _block(
        BlockLevels(2, 1, ("decimator",), repeats=2), 1, kind=CouplingKind("spline", bins=4)
    ),
    "pixels": lambda: _block(BlockLevels(4, 2, mixing="layers"), 3, outside=Outside(pixels=True)),
    "rebuilt": lambda: _block(BlockLevels(4, 2, mixing="layers"), memory="rebuild"),
    "differing_by_place": lambda: _block(BlockLevels(4, 1, mixing="layers", site_affine=True)),
    "shared": lambda: _block(BlockLevels(4, 2, share_levels=True)),
    "convolutions": lambda: conv_flow(
        SIDE, 2, ConvLevels(2, hidden=4, site_affine=True), outside=Outside(pixels=True)
    ),
}


def _mask(*sites):
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    for rows, columns in sites:
        mask[rows, columns] = True
    return mask


MASKS = {
    "one_site": _mask((5, 9)),
    "square": _mask((slice(6, 10), slice(7, 11))),
    "around_the_corner": _mask(*[(i, j) for i in (15, 0) for j in (14, 15, 0)]),
    "two_places": _mask((0, 3), (11, slice(2, 5))),
    "nothing": _mask(),
    "everything": _mask((slice(None), slice(None))),
}


@pytest.fixture(scope="module", params=FLOWS.values(), ids=FLOWS.keys())
def case(request):
    """A perturbed flow in double precision, with two images and their latents."""
    torch.manual_seed(0)
    flow = perturbed(request.param())
    x = torch.rand(2, *flow.event_shape, dtype=torch.float64)
    with torch.no_grad():
        return flow, x, *flow.bijector(x)


def test_a_trace_is_the_full_map(case):
    flow, x, z, log_det = case
    known = flow.trace(x)
    assert torch.allclose(known.z, z, rtol=1e-12, atol=1e-12)
    assert torch.allclose(known.log_det, log_det, rtol=1e-12)
    assert torch.equal(known.x, x)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@torch.no_grad()
def test_changed_pixels_change_the_latents_of_their_cone(case, mask):
    flow, x, _, _ = case
    known = flow.trace(x)
    other = torch.where(mask, torch.rand_like(x), x)
    plan = encoding_plan(flow.bijector, mask)
    assert torch.equal(plan.mask(SIDE), flow.hierarchy.inference_cone(mask))
    assert plan.blocks <= plan.all_blocks
    changed = flow.encode_inside(other, known, mask)
    z, log_det = flow.bijector(other)
    assert torch.allclose(changed.paste(known.z), z, rtol=1e-11, atol=1e-11)
    assert torch.allclose(changed.log_det, log_det, rtol=1e-11)
    again = flow.encode_inside(other.flatten(2)[..., mask.flatten()], known, plan)
    assert torch.equal(again.values, changed.values)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@torch.no_grad()
def test_changed_latents_change_the_pixels_of_their_cone(case, mask):
    flow, x, z, _ = case
    known = flow.trace(x)
    other = torch.where(mask, z + 0.1 * torch.randn_like(z), z)
    plan = decoding_plan(flow.bijector, mask)
    assert torch.equal(plan.mask(SIDE), flow.hierarchy.generation_cone(mask))
    changed = flow.decode_inside(other, known, mask)
    full, log_det = flow.bijector.inverse(other)
    assert torch.allclose(changed.paste(x), full, rtol=1e-10, atol=1e-10)
    assert torch.allclose(changed.log_det, log_det, rtol=1e-10)
    again = flow.decode_inside(other.flatten(2)[..., mask.flatten()], known, plan)
    assert torch.equal(again.values, changed.values)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@torch.no_grad()
def test_pixels_that_are_asked_for_are_those_of_the_full_map(case, mask):
    flow, x, z, _ = case
    known = flow.trace(x)
    cone = flow.hierarchy.inference_cone(mask)
    other = torch.where(cone, z + 0.1 * torch.randn_like(z), z)
    changed = flow.decode_inside(other, known, cone, mask)
    assert changed.log_det is None  # it depends on pixels that were not asked for
    full = flow.decode(other)
    asked = mask.flatten().nonzero()[:, 0]
    assert torch.equal(changed.sites.sort().values, asked)
    assert torch.allclose(changed.values, full.flatten(2)[..., changed.sites], rtol=1e-10)


def test_only_the_blocks_of_the_cone_are_computed():
    flow = _block(BlockLevels(4, 2))
    mask = _mask((slice(4, 8), slice(4, 8)))  # one block of the decimators
    plan = encoding_plan(flow.bijector, mask)
    # level 0: 4 shifted blocks meet the mask, 9 aligned ones meet those; level 1 has 2 x 2 and
    # level 2 one block: there all are computed
    assert plan.blocks == (4 + 9) + (4 + 4) + (1 + 1)
    assert plan.all_blocks == 2 * (16 + 4 + 1)
    whole = conv_flow(SIDE, 2, ConvLevels(2, hidden=4))
    plan = encoding_plan(whole.bijector, mask)
    assert plan.blocks == plan.all_blocks  # convolutions are computed as a whole


def test_the_blocks_grow_by_a_constant_for_each_doubling():
    blocks, touched = [], []
    for side in (32, 64, 128):
        flow = block_flow(side, 1, BlockLevels(4, 2), BlockNet("mlp", (1,)))
        mask = torch.zeros(side, side, dtype=torch.bool)
        middle = slice(side // 2 - 2, side // 2 + 2)  # one block of the disentanglers
        mask[middle, middle] = True
        plan = encoding_plan(flow.bijector, mask)
        cone = flow.hierarchy.inference_cone(mask)
        assert torch.equal(plan.mask(side), cone)
        blocks.append(plan.blocks)
        touched.append(int(cone.sum()))
        assert decoding_plan(flow.bijector, cone, mask).blocks == plan.blocks
    assert touched == [160, 208, 256]
    assert blocks[2] - blocks[1] == blocks[1] - blocks[0] == 1 + 4


def test_single_precision_gives_the_numbers_of_the_full_map():
    flow = perturbed(FLOWS["both_mixings"](), 0.05).float()
    x, mask = torch.randn(3, 2, SIDE, SIDE), MASKS["square"]
    known = flow.trace(x)
    other = torch.where(mask, torch.randn_like(x), x)
    z, log_det = flow.bijector(other)
    changed = flow.encode_inside(other, known, mask)
    assert (changed.paste(known.z) - z).abs().max() < 1e-6 * z.abs().max()
    assert (changed.log_det - log_det).abs().max() < 1e-6 * log_det.abs().max()


def test_gradients_are_those_of_the_full_map(case):
    flow, x, z, _ = case
    known = flow.trace(x)
    mask = MASKS["around_the_corner"]
    gradients = []
    weight = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    for in_part in (True, False):
        pixels = torch.where(mask, 0.5 * x, x).requires_grad_()
        if in_part:
            changed = flow.encode_inside(pixels, known, mask)
            latents, log_det = changed.paste(known.z), changed.log_det
        else:
            latents, log_det = flow.bijector(pixels)
        loss = (weight * latents).sum() + log_det.sum()
        gradients.append(torch.autograd.grad(loss, pixels)[0] * mask)
    assert gradients[0].abs().max() > 0
    assert torch.allclose(*gradients, rtol=1e-9, atol=1e-9)
    cone = flow.hierarchy.inference_cone(mask)
    gradients = []
    for in_part in (True, False):
        latents = torch.where(cone, 0.9 * z, z).requires_grad_()
        if in_part:
            changed = flow.decode_inside(latents, known, cone, mask)
            image = changed.paste(x)
        else:
            image = torch.where(mask, flow.decode(latents), x)
        gradients.append(torch.autograd.grad((weight * image).sum(), latents)[0] * cone)
    assert gradients[0].abs().max() > 0
    assert torch.allclose(*gradients, rtol=1e-9, atol=1e-9)


def test_one_known_image_serves_many_changes():
    torch.manual_seed(0)
    flow = perturbed(FLOWS["both_mixings"]())
    x = torch.randn(1, 2, SIDE, SIDE, dtype=torch.float64)
    known, mask = flow.trace(x), MASKS["square"]
    others = torch.where(mask, torch.randn(5, 2, SIDE, SIDE, dtype=torch.float64), x)
    changed = flow.encode_inside(others, known, mask)
    z, log_det = flow.bijector(others)
    assert torch.allclose(changed.paste(known.z), z)
    assert torch.allclose(changed.log_det, log_det)
    back = flow.decode_inside(z, known, flow.hierarchy.inference_cone(mask))
    assert torch.allclose(back.paste(x), others)
    assert torch.allclose(back.log_det, -log_det)
    pair = flow.trace(torch.cat((x, x.roll(3, -1))))
    others = torch.where(mask, torch.randn_like(others[:4]), pair.x.repeat_interleave(2, 0))
    changed = flow.encode_inside(others, pair, mask)  # two versions of each
    z, log_det = flow.bijector(others)
    assert torch.allclose(changed.paste(pair.z), z)
    assert torch.allclose(changed.log_det, log_det)


def test_maps_of_single_sites_in_front_take_part():
    torch.manual_seed(0)
    levels = FLOWS["both_mixings"]().bijector
    event = (2, SIDE, SIDE)
    front = [
        ElementwiseAffine(event, per_site=True),
        ElementwiseAffine(event),
        ElementwiseSpline(event, bins=4),
        Inverse(ElementwiseAffine(event, per_site=True)),
    ]
    chain = perturbed(Chain([*front, levels]))
    x = torch.randn(2, *event, dtype=torch.float64)
    known = trace(chain, x)
    mask = MASKS["two_places"]
    other = torch.where(mask, torch.randn_like(x), x)
    z, log_det = chain(other)
    changed = partial.encode_inside(chain, other, known, mask)
    assert torch.allclose(changed.paste(known.z), z)
    assert torch.allclose(changed.log_det, log_det)
    back = partial.decode_inside(chain, z, known, chain.hierarchy.inference_cone(mask), mask)
    assert torch.allclose(back.values, other.flatten(2)[..., back.sites])


def test_latents_by_level_and_maps_that_stop_at_a_level(case):
    flow, x, _, _ = case
    mera = flow.bijector
    if isinstance(mera, Chain):
        mera = mera.bijectors[-1]
    z, log_det = mera(x)
    parts = mera.split_latents(z)
    assert tuple(p[0, 0].numel() for p in parts) == flow.hierarchy.latents_per_level
    for h in range(len(parts)):
        field, finer, first = mera.encode_to(h, x)
        assert field.shape[-1] == SIDE >> h
        for got, expected in zip(finer, parts, strict=False):
            assert torch.equal(got, expected)
        back, inverse = mera.decode_from(h, field, parts)
        assert torch.allclose(back, x)
        assert torch.allclose(inverse, -first)
    top, top_log_det = mera.level_bijectors[-1](field)
    assert torch.equal(top, parts[-1])
    assert torch.allclose(first + top_log_det, log_det)


def test_mistakes_are_refused():
    flow = FLOWS["one_coupling"]().double()
    x = torch.randn(2, 2, SIDE, SIDE, dtype=torch.float64)
    known, mask = flow.trace(x), MASKS["square"]
    other = FLOWS["one_coupling"]().double()
    with pytest.raises(ValueError, match="the trace of another map"):
        other.encode_inside(x, known, mask)
    with pytest.raises(ValueError, match="a divisor of that"):
        flow.encode_inside(x[:1].expand(3, -1, -1, -1), known, mask)
    with pytest.raises(ValueError, match=r"expected \(B, 2, 16\)"):
        flow.encode_inside(x.flatten(2)[..., :3], known, mask)
    with pytest.raises(ValueError, match=r"expected torch\.float64"):
        flow.encode_inside(x.float(), known, mask)
    with pytest.raises(ValueError, match=r"of torch\.bool"):
        flow.encode_inside(x, known, mask.float())
    with pytest.raises(ValueError, match="beside a plan"):
        flow.decode_inside(x, known, decoding_plan(flow.bijector, mask), mask)
    with pytest.raises(ValueError, match="level 3 does not exist"):
        flow.bijector.encode_to(3, x)
    with pytest.raises(ValueError, match="expected 2"):
        flow.bijector.decode_from(2, x[..., ::4, ::4], flow.bijector.split_latents(x)[:1])
    flat = realnvp_flow(SIDE, 2, RealNVPLayers(2, 1, hidden=4))
    fourier = Chain([CirculantRoot(torch.ones(SIDE, SIDE), 2), flow.bijector.float()])
    for bijector in (flat.bijector, fourier, make_bijector("pixel_logit")):
        with pytest.raises(ValueError, match="without levels"):
            encoding_plan(bijector, mask)
    assert PixelLogit((2, SIDE, SIDE)).layers_by_level is None
    assert isinstance(flow.bijector, MERA)
