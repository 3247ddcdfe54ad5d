import pytest
import torch
from linear_flow import jacobian, linear_flow
from support import BIJECTORS, make_bijector, perturbed

from rgflow.analysis import receptive_fields
from rgflow.analysis.generation_layers import (
    decode_to,
    generation_layers,
    level_of_latents,
    scales_of,
)
from rgflow.analysis.layer_jacobian import _colours
from rgflow.analysis.receptive_fields import centred, latent_indices
from rgflow.analysis.support import cone_support
from rgflow.analysis.tangents import Responses
from rgflow.flow import Flow
from rgflow.models import (
    BlockLevels,
    BlockNet,
    ConvLevels,
    LatticeNet,
    Outside,
    RealNVPLayers,
    block_flow,
    conv_flow,
    realnvp_flow,
)
from rgflow.priors import Gaussian
from rgflow.runtime.seeds import generator_for

ON_LATTICES = [
    name
    for name, make in BIJECTORS.items()
    if name not in ("channel_mixing_features",)
    and not name.startswith(("affine_coupling", "spline_coupling"))
]


def all_responses(flow, z, latents=None, space="data"):
    """The Jacobian of generation, outputs by latents."""
    latents = latent_indices(flow, latents)
    result = z.new_zeros(*flow.event_shape, len(latents))
    for part, tangents in Responses(flow, latents, space).at(z):
        result[..., part] = tangents
    return result.flatten(0, 2)


@pytest.mark.parametrize("name", ON_LATTICES)
def test_responses_are_the_jacobian_of_every_bijector(name):
    bijector = make_bijector(name)
    flow = Flow(bijector, Gaussian(bijector.event_shape).double())
    (z,) = flow.prior.sample(1)
    exact = jacobian(flow.decode, z)
    found = all_responses(flow, z)
    torch.testing.assert_close(found, exact, rtol=1e-10, atol=1e-12)
    assert not found[exact == 0].any()


@pytest.mark.parametrize("memory", ["recompute", "rebuild"])
def test_responses_do_not_depend_on_what_is_kept_for_gradients(memory):
    flow = perturbed(conv_flow(8, 1, ConvLevels(2, hidden=4), memory=memory)).double()
    (z,) = flow.prior.sample(1)
    torch.testing.assert_close(all_responses(flow, z), jacobian(flow.decode, z))


@pytest.mark.parametrize("side", [16, 24])
def test_far_sites_share_a_derivative_and_do_not_mix(side):
    """Lattices on which several cells of one colour lie, also where colours do not divide it."""
    levels = ConvLevels(3, hidden=3, mixing="pairs", site_affine=True)
    flow = perturbed(conv_flow(side, 1, levels, LatticeNet(kernels=(3,)))).double()
    (z,) = flow.prior.sample(1)
    patterns = Responses(flow, latent_indices(flow, None)).patterns
    fewest = min(int(pattern.probe.max()) + 1 for pattern in patterns)
    assert fewest < 10
    wide = [pattern for pattern in patterns if pattern.inputs.numel()]
    assert any(pattern.probe.max() + 1 < side * side / 4 for pattern in wide)
    torch.testing.assert_close(
        all_responses(flow, z), jacobian(flow.decode, z), rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize(("count", "distance"), [(16, 5), (12, 5), (7, 3), (4, 5), (9, 1)])
def test_equal_colours_of_a_ring_are_far_apart(count, distance):
    colour = _colours(count, distance)
    for i in range(count):
        for j in range(i):
            if colour[i] == colour[j]:
                assert min(i - j, count - i + j) >= distance
    assert int(colour.max()) + 1 == -(-count // max(1, count // distance))


def test_mean_and_error_are_those_over_the_points():
    outside = Outside(pixels=True, prior="laplace")
    flow = perturbed(conv_flow(8, 3, ConvLevels(2, hidden=4), outside=outside)).double()
    fields = receptive_fields(flow, n=3, seed=5, temperature=0.7)
    points = flow.prior.sample(3, 0.7, generator_for("receptive fields", 5))
    exact = torch.stack([jacobian(flow.decode, z).abs() for z in points])
    exact = exact.view(3, 3, 64, 192).sum(1).transpose(1, 2).view(3, 192, 8, 8)
    torch.testing.assert_close(fields.mean, exact.mean(0))
    torch.testing.assert_close(fields.error, exact.std(0) / 3**0.5)
    shifted = torch.stack([centred(one, fields.latents) for one in exact])
    for h in range(2):
        mean = shifted[:, fields.levels == h].mean(1)
        torch.testing.assert_close(fields.level_pictures[:, h], mean)


def test_a_linear_flow_has_the_same_receptive_fields_everywhere():
    flow = linear_flow()
    chosen = torch.tensor([[1, 3, 5], [0, 0, 0], [1, 4, 2]])
    fields = receptive_fields(flow, chosen, n=2)
    matrix = jacobian(flow.decode, torch.zeros(2, 8, 8, dtype=torch.float64))
    exact = matrix.abs().view(2, 8, 8, 2, 8, 8).sum(0)  # (row, column, *latent)
    for (c, i, j), found in zip(chosen.tolist(), fields.mean, strict=True):
        torch.testing.assert_close(found, exact[:, :, c, i, j])
    assert fields.levels.tolist() == [0, 1, 1 if flow.hierarchy.level_of_site[4, 2] else 0]
    assert fields.error.max() < 1e-12
    assert fields.mean.max() > 0.1


def test_responses_before_the_pixel_map_and_before_the_fourier_map():
    for outside in (Outside(pixels=True), Outside(prior="gaussian", fourier="learnable")):
        flow = perturbed(conv_flow(8, 1, ConvLevels(2, hidden=4), outside=outside)).double()
        (z,) = flow.prior.sample(1)
        y = decode_to(flow, z[None], "levels")
        first = flow.bijector.bijectors[0]
        torch.testing.assert_close(first.inverse(y)[0], flow.decode(z[None]))
        assert not torch.allclose(y, flow.decode(z[None]))
        exact = jacobian(lambda z, flow=flow: decode_to(flow, z, "levels"), z)
        torch.testing.assert_close(all_responses(flow, z, space="levels"), exact)


@pytest.mark.parametrize("pixels", [False, True])
def test_nothing_outside_of_the_cone_responds_to_the_last_bit(pixels):
    levels = BlockLevels(couplings=2, mixing="layers")
    net = BlockNet("mlp", hidden=4)
    flow = perturbed(block_flow(32, 1, levels, net, outside=Outside(pixels=pixels)))
    fields = receptive_fields(flow, n=2)
    support = cone_support(flow, fields)
    assert support.outside.tolist() == [0, 0, 0, 0]
    assert support.pixels[0] < support.pixels[1] < 32 * 32
    # the cone is as small as it can be: all of its pixels respond
    torch.testing.assert_close(support.responding, support.pixels)
    fields.mean[0, 16, 16] = 1e-30  # latent (0, 0, 0) is of the top level, whose cone is all
    assert cone_support(flow, fields).outside.tolist() == [0, 0, 0, 0]
    fields.mean[1, 16, 16] = 1e-30  # far from latent (0, 0, 1)
    assert cone_support(flow, fields).outside[0] > 0


def test_pictures_are_shifted_so_that_their_latents_stand_in_the_middle():
    latents = torch.tensor([[0, 1, 2], [1, 7, 0]])
    pictures = torch.zeros(2, 8, 8)
    pictures[0, 1, 2] = 1
    pictures[1, 0, 1] = 1  # one row and one column further, around the torus
    shifted = centred(pictures, latents)
    assert shifted[0].nonzero().tolist() == [[4, 4]]
    assert shifted[1].nonzero().tolist() == [[5, 5]]


def test_latents_behind_a_fourier_map_have_levels_but_no_cones():
    outside = Outside(prior="gaussian", fourier="fixed")
    flow = conv_flow(8, 1, ConvLevels(2, hidden=4), outside=outside)
    assert flow.hierarchy is None
    assert scales_of(flow).latents_per_level == (48, 16)
    fields = receptive_fields(flow, n=2)
    assert fields.level_pictures.shape == (2, 2, 8, 8)
    assert cone_support(flow, fields) is None


def test_real_nvp_has_receptive_fields_of_one_level():
    flow = perturbed(realnvp_flow(8, 1, RealNVPLayers(2, 1, hidden=4))).double()
    assert scales_of(flow) is None
    assert level_of_latents(flow).unique().tolist() == [0]
    fields = receptive_fields(flow, n=2)
    (z, _) = flow.prior.sample(2, 1.0, generator_for("receptive fields", 0))
    torch.testing.assert_close(all_responses(flow, z), jacobian(flow.decode, z))
    assert fields.level_pictures.shape == (2, 1, 8, 8)


def test_layers_of_generation_are_the_decoder():
    flow = make_bijector("pixels_and_mera")
    flow = Flow(flow, Gaussian(flow.event_shape).double())
    z = flow.prior.sample(2)
    x = z
    for layer in generation_layers(flow):
        step = 2**layer.level
        x = x.clone()
        x[..., ::step, ::step] = layer.apply(x[..., ::step, ::step])
    torch.testing.assert_close(x, flow.decode(z))


def test_mistakes_are_refused():
    flow = conv_flow(8, 1, ConvLevels(2, hidden=4))
    with pytest.raises(ValueError, match="at least 2 points"):
        receptive_fields(flow, n=1)
    with pytest.raises(ValueError, match="space: got 'pixels'"):
        receptive_fields(flow, n=2, space="pixels")
    with pytest.raises(ValueError, match=r"got \(0, 8, 0\)"):
        receptive_fields(flow, torch.tensor([[0, 0, 0], [0, 8, 0]]), n=2)
    for wrong in (torch.zeros(2, 2), torch.zeros(0, 3), torch.zeros(8, 8).bool()):
        with pytest.raises(ValueError, match="latents: got"):
            receptive_fields(flow, wrong, n=2)
    with pytest.raises(ValueError, match="expected at least one"):
        receptive_fields(flow, torch.zeros(1, 8, 8, dtype=torch.bool), n=2)
    flat = Flow(make_bijector("channel_mixing_features"), Gaussian((3,)).double())
    with pytest.raises(ValueError, match=r"the flow acts on \(3,\)"):
        receptive_fields(flat, n=2)
