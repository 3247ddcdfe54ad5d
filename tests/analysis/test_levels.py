import torch

from rgflow.analysis import latents_by_level, level_reconstructions
from rgflow.models import ConvLevels, Outside, RealNVPLayers, conv_flow, realnvp_flow


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


def test_a_flow_without_hierarchy_has_no_levels():
    flow = realnvp_flow(side=8, channels=3, layers=RealNVPLayers(2, 1, hidden=8), pixels=True)
    z = torch.randn(2, 3, 8, 8)
    assert list(latents_by_level(flow, z)) == ["all"]
    assert level_reconstructions(flow, torch.zeros(2, 3, 8, 8, dtype=torch.uint8)) == []
