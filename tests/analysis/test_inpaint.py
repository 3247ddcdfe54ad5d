"""Restoration against laws that are known exactly, and what it may and may not change."""

import pytest
import torch
from support import perturbed

from rgflow.analysis import Effort, inpaint, posterior_samples
from rgflow.analysis.completion import LatentCompletion, PixelCompletion
from rgflow.analysis.completion_sampling import chains_of, typical_start
from rgflow.analysis.filling import filled
from rgflow.bijectors import CellMixing
from rgflow.bijectors.pixels import to_image
from rgflow.models import (
    BlockLevels,
    BlockNet,
    ConvLevels,
    Outside,
    RealNVPLayers,
    block_flow,
    conv_flow,
    realnvp_flow,
)

SIDE = 8
NET = BlockNet("mlp", (8,))
LEVELS = BlockLevels(4, 2, mixing="layers")
SHORT = Effort(starts=3, search=8, draws=4, warmup=4, trajectories=3, leapfrog_steps=2)


def _mask(rows, columns):
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


UNKNOWN = _mask(slice(2, 4), slice(5, 8))
MAKERS = {
    "blocks": lambda: block_flow(SIDE, 3, LEVELS, NET, outside=Outside(pixels=True)),
    "fields": lambda: block_flow(SIDE, 1, LEVELS, NET, outside=Outside("gaussian")),
    "two_signs": lambda: block_flow(SIDE, 1, LEVELS, NET, outside=Outside(symmetry="mixture")),
    "convolutions": lambda: conv_flow(
        SIDE, 3, ConvLevels(2, hidden=4), outside=Outside(pixels=True)
    ),
    "realnvp": lambda: realnvp_flow(SIDE, 3, RealNVPLayers(2, 1, hidden=4), pixels=True),
}


@pytest.fixture(scope="module", params=MAKERS.values(), ids=MAKERS.keys())
def case(request):
    torch.manual_seed(0)
    flow = perturbed(request.param(), 0.2).requires_grad_(False)
    return flow, torch.rand(2, *flow.event_shape, dtype=torch.float64)


@pytest.fixture(scope="module")
def gaussian():
    """A flow that is a linear map of white noise, a field, and its exact conditional law."""
    torch.manual_seed(0)
    flow = block_flow(SIDE, 1, LEVELS, NET, outside=Outside("gaussian")).double()
    for layer in flow.modules():
        if isinstance(layer, CellMixing):
            perturbed(layer, 0.3)
    x = torch.randn(1, 1, SIDE, SIDE, dtype=torch.float64)
    with torch.no_grad():
        one = torch.eye(SIDE * SIDE, dtype=torch.float64).view(-1, 1, SIDE, SIDE)
        matrix = flow.encode(one).flatten(1) - flow.encode(0 * one).flatten(1)  # z = x matrix
    precision = matrix @ matrix.T
    u, k = UNKNOWN.flatten(), ~UNKNOWN.flatten()
    covariance = torch.linalg.inv(precision[u][:, u])
    mean = -covariance @ precision[u][:, k] @ x.flatten()[k]
    return flow.requires_grad_(False), x, mean, covariance


def test_samples_have_the_exact_conditional_law(gaussian):
    flow, x, mean, covariance = gaussian
    chains = 400
    effort = Effort(starts=1, search=20, warmup=20, trajectories=20, leapfrog_steps=6)
    run = posterior_samples(flow, x.expand(chains, -1, -1, -1), ~UNKNOWN, effort=effort)
    assert run.samples.shape == (20, chains, 1, 6)
    assert 0.5 < run.acceptance <= 1
    off = run.samples[:, :, 0] - mean  # (T, B, 6)
    products = off[..., :, None] * off[..., None, :]
    for each, exact in ((off.mean(0), torch.zeros(6)), (products.mean(0), covariance)):
        error = each.std(0) / chains**0.5  # chains are independent
        assert ((each.mean(0) - exact).abs() < 4.5 * error).all()
    # the law is not so wide that everything would pass
    assert (products.mean(0).std(0) / chains**0.5 < 0.1 * covariance.diagonal().max()).all()


def test_the_most_probable_completion_of_a_linear_flow_is_its_conditional_mean(gaussian):
    flow, x, mean, _ = gaussian
    found = inpaint(flow, x, ~UNKNOWN, "mode", effort=Effort(starts=2, search=400))
    assert torch.allclose(found.images[0, 0][UNKNOWN], mean, atol=1e-3)
    assert found.log_prob.item() == pytest.approx(flow.log_prob(found.images).item())
    exact = x.clone()
    exact[0, 0, UNKNOWN] = mean
    assert found.log_prob.item() == pytest.approx(flow.log_prob(exact).item(), abs=1e-4)
    assert found.acceptance is None


@pytest.mark.parametrize("settings", [{}, {"tolerance": 0.5}], ids=["exact", "tolerance"])
@pytest.mark.parametrize("method", ["mode", "posterior"])
def test_known_pixels_are_kept_and_only_the_cone_changes(case, method, settings):
    flow, x = case
    given = x.clone()
    found = inpaint(flow, x, ~UNKNOWN, method, effort=SHORT, **settings)
    assert torch.equal(x, given)
    assert torch.equal(found.images[..., ~UNKNOWN], x[..., ~UNKNOWN])
    assert (found.images != x)[..., UNKNOWN].all()
    assert torch.allclose(found.log_prob, flow.log_prob(found.images))
    cone = torch.ones_like(UNKNOWN)
    if flow.hierarchy is not None:
        cone = flow.hierarchy.inference_cone(UNKNOWN)
    assert torch.equal(found.latents, cone)
    assert found.latents_touched == int(cone.sum())
    difference = (flow.encode(found.images) - flow.encode(x)).abs().amax((0, 1))
    assert not (difference > 1e-9)[~cone].any()
    assert found.evaluations > SHORT.search
    assert (found.acceptance is not None) == (method == "posterior")
    assert bool((found.moved > 0).all()) == bool(settings)
    if flow.hierarchy is not None:
        assert found.blocks == found.all_blocks or (
            found.blocks < found.all_blocks and not settings
        )


def test_unknown_pixels_are_not_looked_at(case):
    flow, x = case
    other = torch.where(UNKNOWN, 1 - x, x)
    for method in ("prior", "mode", "posterior"):
        results = [inpaint(flow, y, ~UNKNOWN, method, effort=SHORT).images for y in (x, other)]
        assert torch.equal(*results)


def test_latents_are_drawn_anew_from_the_prior(case):
    flow, x = case
    found = inpaint(flow, x, ~UNKNOWN, "prior", seed=3)
    start = filled(x, UNKNOWN)
    assert torch.equal(found.images[..., ~UNKNOWN], x[..., ~UNKNOWN])
    assert (found.moved > 0).all()  # the known pixels that the cone reaches had other values
    assert not torch.equal(found.images, inpaint(flow, x, ~UNKNOWN, "prior", seed=4).images)
    # at temperature 0 the latents of the cone are zero
    cold = inpaint(flow, x, ~UNKNOWN, "prior", temperature=0.0)
    picture = flow.decode(torch.where(found.latents, 0.0, flow.encode(start)))
    if flow.event_shape[0] == 3:  # intensities of shades
        picture = picture.clamp(-1 / 510, 1 + 1 / 510)
    assert torch.allclose(cold.images, torch.where(UNKNOWN, picture, x))
    unit = 255 if flow.event_shape[0] == 3 else 1
    off = (picture - x)[..., ~UNKNOWN].flatten(1) * unit
    assert torch.allclose(cold.moved, off.square().mean(1).sqrt())
    if flow.hierarchy is not None:
        levels = [0.0] * flow.hierarchy.levels
        again = inpaint(flow, x, ~UNKNOWN, "prior", temperature=levels)
        assert torch.equal(again.images, cold.images)


def test_the_law_of_the_pixels_is_that_of_the_flow(case):
    flow, x = case
    law = PixelCompletion(flow, x, UNKNOWN)
    u = torch.randn(6, *law.event_shape, dtype=torch.float64)  # three versions of each image
    images = x.repeat_interleave(3, 0)
    images[..., UNKNOWN] = law.pixels(u)
    assert torch.allclose(law.of_latents(flow.encode(images)), u)
    assert torch.allclose(law.log_prob(u), flow.log_prob(images))
    assert torch.allclose(law.pixels(law.start()), x[..., UNKNOWN])
    # the force is the derivative of the energy
    v = torch.randn_like(u)
    slope = (law.energy(u + 1e-5 * v) - law.energy(u - 1e-5 * v)) / 2e-5
    assert torch.allclose(-(law.force(u) * v).sum((1, 2)), slope, rtol=1e-4, atol=1e-4)


def test_the_law_of_latents_holds_known_pixels_to_the_tolerance(case):
    flow, x = case
    latents = _mask(slice(0, 4), slice(1, 3))
    law = LatentCompletion(flow, x, UNKNOWN, latents, 0.1)
    z = flow.encode(x)
    z[..., latents] += 0.1
    off = (flow.decode(z) - x)[..., ~UNKNOWN].flatten(1)
    prior = flow.prior.of_shape((x.shape[1], 8)).log_prob(z[..., latents])
    expected = off.square().sum(1) / (2 * 0.1**2) - prior
    assert torch.allclose(law.energy(z[..., latents]), expected)


def test_images_of_shades_come_back_with_their_known_pixels():
    torch.manual_seed(0)
    flow = perturbed(MAKERS["blocks"](), 0.2)
    images = torch.randint(256, (2, 3, SIDE, SIDE), dtype=torch.uint8)
    found = inpaint(flow, images, ~UNKNOWN, "posterior", effort=SHORT)
    assert torch.equal(to_image(found.images)[..., ~UNKNOWN], images[..., ~UNKNOWN])
    assert found.images.dtype == torch.float64


def test_unknown_pixels_are_filled_smoothly():
    ramp = torch.arange(8.0).expand(2, 1, 8, 8).clone()
    assert torch.allclose(filled(ramp, UNKNOWN)[..., :7], ramp[..., :7], atol=1.0)
    inner = _mask(slice(1, 7), slice(2, 6))  # a linear function is harmonic
    assert torch.allclose(filled(torch.where(inner, 99.0, ramp), inner), ramp, atol=1e-5)
    assert (filled(ramp, torch.ones(8, 8, dtype=torch.bool)) == 0.5).all()


def test_unknown_sites_of_a_torus_are_filled_across_its_border():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 6, 8, generator=generator, dtype=torch.float64)
    unknown = torch.zeros(6, 8, dtype=torch.bool)
    unknown[:2, :3] = unknown[5, 6:] = True
    shift = (3, 3)  # brings the hole to the middle of the lattice
    inside = filled(x.roll(shift, (2, 3)), unknown.roll(shift, (0, 1)))
    around = filled(x, unknown, periodic=True).roll(shift, (2, 3))
    torch.testing.assert_close(around, inside)
    assert not torch.allclose(filled(x, unknown), around.roll((-3, -3), (2, 3)))


def test_mistakes_are_refused():
    flow = MAKERS["fields"]()
    x, known = torch.randn(1, 1, SIDE, SIDE), ~UNKNOWN
    with pytest.raises(ValueError, match="without an unknown pixel"):
        inpaint(flow, x, torch.ones_like(known))
    with pytest.raises(ValueError, match="expected one of prior, mode, posterior"):
        inpaint(flow, x, known, "magic")
    with pytest.raises(ValueError, match=r"expected \(8, 8\) of torch.bool"):
        inpaint(flow, x, known.float())
    with pytest.raises(ValueError, match=r"expected \(B, 1, 8, 8\)"):
        inpaint(flow, x[..., :4], known)
    with pytest.raises(ValueError, match="expected fields"):
        inpaint(flow, x.to(torch.uint8), known)
    with pytest.raises(ValueError, match="expected a finite number"):
        inpaint(flow, x, known, tolerance=-1.0)
    with pytest.raises(ValueError, match="which holds no pixels"):
        inpaint(flow, x, known, "prior", tolerance=1.0)
    with pytest.raises(ValueError, match="expected a tolerance"):
        inpaint(flow, x, known, latents=UNKNOWN)
    with pytest.raises(ValueError, match="expected 1 or more of all"):
        Effort(starts=0)


def test_chains_that_do_not_move_are_told_of(caplog):
    torch.manual_seed(0)
    flow = perturbed(MAKERS["fields"](), 0.2).requires_grad_(False)
    x = flow.sample(1)
    effort = Effort(starts=1, search=1, warmup=0, trajectories=2, leapfrog_steps=2)
    inpaint(flow, x, ~UNKNOWN, "posterior", effort=effort)
    assert not caplog.messages

    class Stuck(PixelCompletion):
        def energy(self, u):
            return 1e9 * super().energy(u)

    law = Stuck(flow, x, UNKNOWN)
    chains_of(law, law.start(), effort, torch.Generator().manual_seed(0))
    (message,) = caplog.messages
    assert "expected at least 0.1" in message


def test_sampling_starts_from_the_redrawn_picture_that_is_nearest_to_the_known_pixels():
    torch.manual_seed(0)
    flow = perturbed(MAKERS["fields"](), 0.2)
    x = flow.sample(3)
    cone = flow.hierarchy.inference_cone(UNKNOWN)
    law = LatentCompletion(flow, x, UNKNOWN, cone, 0.1)
    generator = torch.Generator().manual_seed(1)
    start = typical_start(law, 50, generator)
    draws = flow.prior.sample(150, 1.0, torch.Generator().manual_seed(1))
    z = torch.where(cone, draws, flow.encode(x).repeat_interleave(50, 0))
    pictures, z = flow.decode(z).unflatten(0, (3, 50)), z.unflatten(0, (3, 50))
    for image in range(3):
        off = (pictures[image] - x[image])[..., ~UNKNOWN].flatten(1).norm(dim=1)
        torch.testing.assert_close(start[image], z[image, off.argmin()][..., cone])
