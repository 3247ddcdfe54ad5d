import pytest
import torch

from rgflow.analysis import mix, mixing_strip
from rgflow.models import ConvLevels, RealNVPLayers, conv_flow, realnvp_flow


@pytest.fixture
def flow():
    return conv_flow(side=16, channels=2, levels=ConvLevels((1,), hidden=4))


def test_levels_come_from_a_above_the_cut_and_from_b_below(flow):
    a, b = torch.ones(3, 2, 16, 16), torch.zeros(3, 2, 16, 16)
    levels = flow.hierarchy.levels
    assert levels == 3
    for cut in range(levels + 1):
        mixed = mix(flow, a, b, cut)
        for h in range(levels):
            values = mixed[..., flow.hierarchy.level_mask(h)]
            assert (values == float(h >= cut)).all()
    assert torch.equal(mix(flow, a, b, 0), a)
    assert torch.equal(mix(flow, a, b, levels), b)


def test_strip_holds_every_cut(flow):
    a, b = torch.randn(2, 2, 16, 16), torch.randn(2, 2, 16, 16)
    strip = mixing_strip(flow, a, b)
    assert strip.shape == (4, 2, 2, 16, 16)
    for cut, latents in enumerate(strip):
        assert torch.equal(latents, mix(flow, a, b, cut))


def test_mistakes_are_refused(flow):
    z = torch.zeros(1, 2, 16, 16)
    for level in (-1, 4):
        with pytest.raises(ValueError, match="expected 0 to 3"):
            mix(flow, z, z, level)
    with pytest.raises(ValueError, match="got shapes"):
        mix(flow, z, z[:, :1], 1)
    with pytest.raises(ValueError, match="got shapes"):
        mixing_strip(flow, z[..., :8], z[..., :8])
    flat = realnvp_flow(side=16, channels=2, layers=RealNVPLayers(2, 1, hidden=4))
    with pytest.raises(ValueError, match="no levels"):
        mix(flat, z, z, 1)
