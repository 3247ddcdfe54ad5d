"""Whole flows: normalisation, sampling, temperatures, bits per dimension."""

import math
import shutil
from types import SimpleNamespace

import pytest
import torch
from support import flow_of

from rgflow import Flow
from rgflow.bijectors import (
    AffineCoupling,
    Chain,
    ChannelMixing,
    ElementwiseAffine,
    PixelLogit,
    SplineCoupling,
    dequantize,
    to_image,
)
from rgflow.bijectors.realnvp import ChannelCoupling
from rgflow.conditioners.lattice import ConvNet
from rgflow.conditioners.mlp import MLP
from rgflow.data.msds import generate_msds
from rgflow.energies import GaussianField
from rgflow.lattice.square import square_images
from rgflow.models import (
    BlockLevels,
    BlockNet,
    ConvLevels,
    CouplingKind,
    LatticeNet,
    Outside,
    RealNVPLayers,
    block_flow,
    conv_flow,
    realnvp_flow,
)
from rgflow.priors import Gaussian, Laplace
from rgflow.runtime.fields import check_same_events
from rgflow.testing import perturbed

WHOLE = {
    "conv": lambda: conv_flow(
        16,
        3,
        ConvLevels((4, 2), hidden=12),
        LatticeNet(site_bias=True),
        outside=Outside(pixels=True),
    ),
    "conv_spline": lambda: conv_flow(
        8, 3, ConvLevels(2, hidden=8), kind=CouplingKind("spline"), outside=Outside(pixels=True)
    ),
    "block": lambda: block_flow(
        16,
        3,
        BlockLevels(4, 2),
        BlockNet(hidden=16, residual_blocks=1),
        outside=Outside(pixels=True),
    ),
    "realnvp": lambda: realnvp_flow(16, 3, RealNVPLayers(2, 2, hidden=8), pixels=True),
}


def two_pixel_flow(kind):
    """Two channels of one site, coupled both ways."""

    def coupling(split, lattice, reads):
        if kind == "spline":
            net = ConvNet(1, 14, hidden=8, kernels=(1, 1))
            return SplineCoupling(split, net, lattice, reads, bins=5, bound=3.0)
        return AffineCoupling(split, ConvNet(1, 2, hidden=8, kernels=(1, 1)), lattice, reads)

    torch.manual_seed(0)
    shape = (2, 1, 1)
    layers = [ChannelCoupling(shape, i % 2, coupling) for i in range(2)]
    chain = Chain([PixelLogit(shape), *layers, ChannelMixing(shape), ElementwiseAffine(shape)])
    return perturbed(Flow(chain, Laplace(shape) if kind == "spline" else Gaussian(shape)), 0.2)


@pytest.mark.parametrize("kind", ["affine", "spline"])
def test_a_two_pixel_density_integrates_to_one(kind):
    flow = two_pixel_flow(kind)
    pixel = flow.bijector.bijectors[0]
    # midpoints in the logit, where the integrand has light tails; dx is carried along
    logits = torch.linspace(-16, 16, 1201, dtype=torch.float64)
    x = (torch.sigmoid(logits) - pixel.start) / pixel.slope
    dx = torch.sigmoid(logits) * torch.sigmoid(-logits) / pixel.slope * (logits[1] - logits[0])
    grid = torch.stack(torch.meshgrid(x, x, indexing="ij"), -1).reshape(-1, 2, 1, 1)
    with torch.no_grad():
        density = flow.log_prob(grid).exp().view(len(x), len(x))
    integral = (density * dx[:, None] * dx[None, :]).sum().item()
    assert integral == pytest.approx(1.0, abs=2e-4)
    assert density.std() > 0.1  # not the uniform law


@pytest.mark.parametrize("kind", WHOLE)
def test_sampled_log_prob_is_the_density_of_the_sample(kind):
    torch.manual_seed(0)
    flow = perturbed(WHOLE[kind](), 0.05)
    temperature = 0.7 if kind == "realnvp" else [0.5, 0.6, 0.9][: flow.hierarchy.levels]
    x, _ = flow.sample_and_log_prob(4, temperature)
    torch.testing.assert_close(flow.decode(flow.encode(x)), x, rtol=0, atol=1e-9)
    x, log_prob = flow.sample_and_log_prob(4)
    torch.testing.assert_close(flow.log_prob(x), log_prob, rtol=1e-9, atol=1e-7)
    assert torch.equal(flow(x), flow.log_prob(x))


@pytest.mark.parametrize("kind", WHOLE)
def test_the_float32_round_trip_of_whole_flows(kind):
    torch.manual_seed(0)
    flow = perturbed(WHOLE[kind](), 0.05).float()
    x = torch.rand(8, *flow.event_shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (flow.decode(flow.encode(x)) - x).abs().max() <= 1e-3


@pytest.mark.parametrize("kind", ["conv", "block"])
def test_the_float32_round_trip_of_a_trained_flow_on_its_images(kind):
    """Sixty steps on MSDS1: couplings that have learnt to stretch flat backgrounds are harder."""
    torch.manual_seed(0)
    flow = WHOLE[kind]()
    generator = torch.Generator().manual_seed(0)
    images = generate_msds(1, 512, side=16).images
    optimizer = torch.optim.Adam(flow.parameters(), lr=5e-3)
    losses = []
    for step in range(60):
        batch = images[torch.arange(32 * step, 32 * step + 32) % len(images)]
        loss = -flow.log_prob(dequantize(batch, generator)).mean() / 768
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.8  # it has learnt something
    x = dequantize(generate_msds(1, 64, side=16, split="test").images, generator)
    with torch.no_grad():
        z, log_det = flow.bijector(x)
        back, inverse_log_det = flow.bijector.inverse(z)
    assert (back - x).abs().max() <= 1e-3
    assert (log_det + inverse_log_det).abs().max() <= 1e-3 * log_det.abs().max()
    assert (to_image(back).int() - to_image(x).int()).abs().max() <= 1  # at a shade's edge


def test_the_density_of_samples_far_out_is_finite_in_float32():
    """Latents whose intensities are 0 or 1 to rounding, as an untrained or broken flow gives."""
    flow = Flow(PixelLogit((1, 8, 8)), Laplace((1, 8, 8)))
    generator = torch.Generator().manual_seed(0)
    x, log_prob = flow.sample_and_log_prob(200, temperature=20.0, generator=generator)
    assert flow.encode(x).abs().max() > 50
    z = flow.encode(x)
    torch.testing.assert_close(flow.decode(z), x, rtol=1e-5, atol=1e-5)
    direct = flow.prior.log_prob(z, 20.0) + flow.bijector(x)[1]
    torch.testing.assert_close(direct, log_prob, rtol=1e-4, atol=1e-2)
    assert flow.log_prob(x).isfinite().all()


def test_temperature_by_level_scales_only_that_level():
    flow = WHOLE["block"]()
    a, b = (
        flow.encode(flow.sample(2, t, torch.Generator().manual_seed(0)))
        for t in ([1.0, 1.0, 1.0], [0.5, 1.0, 1.0])
    )
    mask = flow.hierarchy.level_mask(0)
    torch.testing.assert_close(b[..., mask], 0.5 * a[..., mask], rtol=0, atol=1e-4)
    torch.testing.assert_close(b[..., ~mask], a[..., ~mask], rtol=0, atol=1e-4)


def test_tempered_density_is_normalised():
    prior = Laplace((1,))
    z = torch.linspace(-40, 40, 400_001, dtype=torch.float64)[:, None]
    for temperature in (0.3, 2.0):
        density = prior.double().log_prob(z, temperature).exp()
        assert (density.sum() * (z[1] - z[0])).item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("prior", [Gaussian, Laplace])
def test_priors_have_unit_variance_and_their_own_entropy(prior):
    count = 200_000
    z = prior((4,)).double().sample(count, generator=torch.Generator().manual_seed(3))
    kurtosis = {Gaussian: 3.0, Laplace: 6.0}[prior]
    standard_error = math.sqrt((kurtosis - 1) / (4 * count))
    assert abs(z.var().item() - 1) < 4 * standard_error
    assert abs(z.mean().item()) < 4 / math.sqrt(4 * count)
    entropy = {Gaussian: 0.5 * math.log(2 * math.pi * math.e), Laplace: 1 + 0.5 * math.log(2)}
    nats = -prior((4,)).double().log_prob(z) / 4
    spread = nats.std().item() / math.sqrt(count)
    assert abs(nats.mean().item() - entropy[prior]) < 4 * spread


def test_generator_makes_samples_repeatable():
    flow = WHOLE["conv"]()
    a, b, c = (flow.sample(2, generator=torch.Generator().manual_seed(s)) for s in (5, 5, 6))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.sample(0), "must be a positive integer"),
        (lambda f: f.sample(2.5), "n: got 2.5, expected an integer"),
        (lambda f: f.log_prob(torch.zeros(1, 3, 16, 16).double()), "float64, expected .*float32"),
        (lambda f: f.decode(torch.zeros(1, 3, 16, 16).half()), "float16, expected .*float32"),
        (lambda f: f.encode(None), "expected a tensor"),
        (lambda f: f.sample(1, [1.0]), "one for each"),
        (lambda f: f.sample(1, -1.0), "negative"),
        (lambda f: f.sample(1, float("nan")), "finite"),
        (lambda f: f.sample_and_log_prob(1, 0.0), "> 0"),
        (lambda f: f.log_prob(torch.zeros(1, 3, 8, 8)), "expected"),
        (lambda f: Flow(f.bijector, Gaussian((1,))), "prior: got events"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(WHOLE["conv"]())


def test_mode_of_the_prior_is_at_temperature_zero():
    flow = WHOLE["conv"]()
    assert torch.equal(flow.encode(flow.sample(1, 0.0)).abs() < 1e-5, torch.ones(1, 3, 16, 16) > 0)


def test_a_spline_of_one_bin_width_is_refused_and_mlp_checks_its_layers():
    with pytest.raises(ValueError, match="bins: got"):
        SplineCoupling((1, 1), MLP(1, 2, ()), bins=1)
    with pytest.raises(ValueError, match="hidden layers"):
        MLP(1, 2, (3, 3), nonlinearities=("tanh",))


def symmetric(symmetry):
    settings = {"couplings": 2, "hidden": 6, "prior": "gaussian", "symmetry": symmetry}
    return perturbed(flow_of("conv_flow", side=4, channels=1, **settings))


def test_a_symmetrised_density_is_the_mixture_of_both_signs():
    flow = symmetric("mixture")
    x = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    one_sign = Flow(flow.bijector, flow.prior)
    parts = torch.stack((one_sign.log_prob(x), one_sign.log_prob(-x)))
    torch.testing.assert_close(flow.log_prob(x), parts.logsumexp(0) - math.log(2))
    torch.testing.assert_close(flow.log_prob(-x), flow.log_prob(x))
    assert (parts[0] - parts[1]).abs().max() > 0.1
    x, log_prob = flow.sample_and_log_prob(64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(log_prob, flow.log_prob(x))
    same = torch.Generator().manual_seed(0)
    torch.testing.assert_close(x, flow.sample(64, generator=same))
    unsigned = one_sign.sample(64, generator=torch.Generator().manual_seed(0))
    signs = (x / unsigned).flatten(1).mean(1).round()
    assert set(signs.tolist()) == {1.0, -1.0}
    torch.testing.assert_close(x, unsigned * signs.view(-1, 1, 1, 1))


def averaged(symmetry="mixture", **more):
    settings = {"couplings": 2, "hidden": 6, "prior": "gaussian", "symmetry": symmetry}
    flow = flow_of("conv_flow", side=4, channels=1, average="square", **settings | more)
    return perturbed(flow)


@pytest.mark.parametrize("symmetry", ["none", "mixture"])
def test_an_averaged_density_is_the_mean_over_the_symmetries_of_the_square(symmetry):
    flow = averaged(symmetry)
    x = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    turned = [x.rot90(k, (2, 3)) for k in range(4)]
    images = turned + [image.flip(2) for image in turned]  # made in another way
    one_image = Flow(flow.bijector, flow.prior, flow.z2)
    parts = torch.stack([one_image.log_prob(image) for image in images])
    torch.testing.assert_close(flow.log_prob(x), parts.logsumexp(0) - math.log(8))
    assert (parts[0] - parts).abs().amax(1)[1:].min() > 0.01
    for image in images:
        torch.testing.assert_close(flow.log_prob(image), flow.log_prob(x))
    torch.testing.assert_close(flow.one_image.log_prob(x), parts[0])


@pytest.mark.parametrize("temperature", [1.0, (0.5, 0.8)])
def test_samples_of_an_averaged_flow_are_turned_and_have_its_density(temperature):
    flow = averaged()
    same = [torch.Generator().manual_seed(0) for _ in range(3)]
    x, log_prob = flow.sample_and_log_prob(64, temperature, same[0])
    torch.testing.assert_close(x, flow.sample(64, temperature, same[1]))
    alone, of_one = flow.one_image.sample_and_log_prob(64, temperature, same[2])
    images = torch.stack(list(square_images(alone)))
    which = (images - x).abs().flatten(2).amax(2).argmin(0)
    torch.testing.assert_close(images[which, torch.arange(64)], x)
    assert set(which.tolist()) == set(range(8))
    if temperature == 1.0:
        torch.testing.assert_close(log_prob, flow.log_prob(x))
        torch.testing.assert_close(of_one, flow.one_image.log_prob(alone))
    else:  # by the density at that temperature of each image
        by_site = flow.hierarchy.per_site(temperature)
        z, log_det = flow.bijector(torch.cat([*images, *-images]))
        parts = (flow.prior.log_prob(z, by_site) + log_det).view(16, 64)
        torch.testing.assert_close(log_prob, parts.logsumexp(0) - math.log(16))


@pytest.mark.parametrize("symmetry", ["none", "mixture"])
def test_latents_and_densities_come_by_sign(symmetry):
    flow = averaged(symmetry)
    x = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    z, log_prob = flow(x, by_sign=True)
    signs = (x, -x) if symmetry == "mixture" else (x,)
    torch.testing.assert_close(z, torch.stack([flow.encode(image) for image in signs]))
    mean = log_prob.logsumexp(0) - math.log(len(signs))
    torch.testing.assert_close(mean, flow.one_image.log_prob(x))


def test_an_average_is_for_square_lattices_alone():
    bijector = symmetric("none").bijector
    with pytest.raises(ValueError, match="expected a square lattice"):
        Flow(SimpleNamespace(event_shape=(1, 4, 8)), Gaussian((1, 4, 8)), square=True)
    assert Flow(bijector, Gaussian((1, 4, 4)), square=True).square


def test_equivariant_couplings_commute_with_the_sign():
    flow = symmetric("equivariant")
    x = torch.randn(5, 1, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(flow.encode(-x), -flow.encode(x))
    torch.testing.assert_close(flow.log_prob(-x), flow.log_prob(x))
    assert (flow.encode(2 * x) - 2 * flow.encode(x)).abs().max() > 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"symmetry": "u1"}, "symmetry: got 'u1'"),
        ({"fourier": "wavelet"}, "fourier: got 'wavelet'"),
        ({"fourier": "fixed", "pixels": True}, "which are for fields"),
        ({"average": "square", "pixels": True}, "got true with average='square'"),
        ({"average": "cubic"}, "average: got 'cubic'"),
        ({"symmetry": "equivariant", "coupling": "spline"}, "equivariant couplings are affine"),
        ({"symmetry": "equivariant", "site_affine": True}, "not equivariant"),
    ],
)
def test_symmetries_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        flow_of("conv_flow", side=4, channels=1, couplings=1, **settings)


@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no compiler")
def test_a_compiled_flow_has_the_same_gradients():
    torch.manual_seed(0)
    flow = block_flow(
        2, channels=2, levels=BlockLevels(2, 1), net=BlockNet(hidden=8, residual_blocks=1)
    )
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(32, 2, 2, 2)
    expected = torch.autograd.grad(flow(x).sum(), list(flow.parameters()))
    flow.compile()
    # with the compiler's own settings that of the first slope is far off
    torch.testing.assert_close(
        torch.autograd.grad(flow(x).sum(), list(flow.parameters())), expected
    )


def test_events_of_another_shape_are_refused():
    flow = conv_flow(4, 1, ConvLevels(2, hidden=8))
    check_same_events(flow, GaussianField(4, 0.5))
    for flow_or_bijector in (flow, flow.bijector):
        with pytest.raises(
            ValueError, match=r"got fields of shape \(1, 6, 6\), expected \(1, 4, 4\)"
        ):
            check_same_events(flow_or_bijector, GaussianField(6, 0.5))
