import torch

from rgflow.analysis import latent_blocks, latents_by_level, level_reconstructions
from rgflow.bijectors import Chain, CirculantRoot, ElementwiseAffine
from rgflow.flow import Flow
from rgflow.models import ConvLevels, Outside, RealNVPLayers, conv_flow, realnvp_flow
from rgflow.priors import Gaussian


def perturbed(flow):
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return flow


def test_latents_and_reconstructions_by_level():
    torch.manual_seed(0)
    flow = perturbed(
        conv_flow(
            side=8, channels=3, levels=ConvLevels((2,), hidden=8), outside=Outside(pixels=True)
        )
    )
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    z = torch.randn(4, 3, 8, 8)
    parts = latents_by_level(flow, z)
    assert [tuple(part.shape) for part in parts.values()] == [(4, 3, 48), (4, 3, 16)]
    assert torch.equal(parts["level1"], z[..., ::2, ::2].flatten(-2))
    rebuilt = level_reconstructions(flow, images)
    assert len(rebuilt) == 2
    assert (rebuilt[0].int() - images.int()).abs().max() <= 1  # all latents kept
    assert not torch.equal(rebuilt[1], rebuilt[0])


def test_a_real_nvp_has_scales_and_nothing_rebuilt():
    flow = realnvp_flow(side=8, channels=3, layers=RealNVPLayers(2, 1, hidden=8), pixels=True)
    z = torch.randn(2, 3, 8, 8)
    parts = latents_by_level(flow, z)
    assert {name: tuple(part.shape) for name, part in parts.items()} == {
        "scale0": (2, 3, 32),
        "scale1": (2, 3, 32),
    }
    assert level_reconstructions(flow, torch.zeros(2, 3, 8, 8, dtype=torch.uint8)) == []


def test_latents_of_a_scale_do_not_know_the_coarser_ones():
    torch.manual_seed(0)
    flow = perturbed(realnvp_flow(side=16, channels=2, layers=RealNVPLayers(3, 1, hidden=4)))
    names, masks = latent_blocks(flow)
    assert names == ("scale0", "scale1", "scale2")
    assert masks.flatten(1).sum(1).tolist() == [128, 64, 64]
    assert (masks.sum(0) == 1).all()
    x = torch.randn(2, 2, 16, 16)
    with torch.no_grad():
        before = flow.encode(x)
        for changed in (2, 1, 0):
            for parameter in flow.bijector.get_submodule(f"scale{changed}").parameters():
                parameter.add_(0.1)
            differs = (flow.encode(x) != before).all(0).all(0)  # (L, L)
            assert torch.equal(differs, masks[changed:].any(0))


def test_latents_of_a_flow_without_levels_are_one_block():
    torch.manual_seed(0)
    white = Chain([CirculantRoot(torch.ones(8, 8)), ElementwiseAffine((1, 8, 8))])
    flow = Flow(white, Gaussian((1, 8, 8)))
    z = torch.randn(2, 1, 8, 8)
    assert flow.hierarchy is None
    (part,) = latents_by_level(flow, z).values()
    assert latent_blocks(flow).names == ("all",)
    assert torch.equal(part, z.flatten(2))
