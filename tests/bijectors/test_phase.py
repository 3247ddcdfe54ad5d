"""The common phase of a complex field as a number of its own."""

import math

import pytest
import torch

from rgflow import Flow
from rgflow.bijectors import Chain, CommonPhase
from rgflow.lattice.phases import turned_phases
from rgflow.models import BlockLevels, BlockNet, ConvLevels, Outside, block_flow, conv_flow
from rgflow.priors import Gaussian

QUANTILES = torch.tensor([0.02, 0.3, 0.5, 0.77, 0.999], dtype=torch.float64)


def fields(side=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(QUANTILES), 2, side, side, generator=generator, dtype=torch.float64)


def test_uniform_phases_become_a_normal_law_and_nothing_else_changes():
    x = fields()
    phases = torch.atan2(*x.mean((2, 3)).flip(1).unbind(1))
    one = turned_phases(x, -phases)  # means are real and positive
    plain, _ = CommonPhase(4, spread=0.3)(one)
    y, _ = CommonPhase(4, spread=0.3)(turned_phases(one, 2 * math.pi * (QUANTILES - 0.5)))
    change = (y - plain).view(len(x), 2, -1)
    normal = 0.3 * torch.distributions.Normal(0.0, 1.0).icdf(QUANTILES)
    torch.testing.assert_close(change[:, 1], normal[:, None].expand(-1, 16), rtol=0, atol=1e-12)
    torch.testing.assert_close(change[:, 0], torch.zeros(len(x), 16, dtype=torch.float64))


def test_the_density_of_one_site_is_normalised():
    flow = Flow(CommonPhase(1, spread=1.5, core=0.2), Gaussian((2, 1, 1))).double()
    r = torch.linspace(0.002, 9, 4000, dtype=torch.float64)
    a = torch.linspace(-math.pi, math.pi, 401, dtype=torch.float64)[:-1] + math.pi / 400
    x = torch.stack([r[:, None] * a.cos(), r[:, None] * a.sin()], -1).view(-1, 2, 1, 1)
    with torch.no_grad():
        density = flow.log_prob(x).exp().view(len(r), len(a)) * r[:, None]
    total = torch.trapezoid(density.mean(1) * 2 * math.pi, r)
    assert total == pytest.approx(1, abs=1e-4)


def test_a_law_without_a_preferred_phase_keeps_that():
    x = fields(3)
    flow = Flow(CommonPhase(3, spread=1 / 3), Gaussian((2, 3, 3))).double()
    turned = turned_phases(x, torch.tensor(2.1, dtype=torch.float64))
    # N normal numbers whose imaginary mean has the standard deviation 1 / sqrt(N)
    torch.testing.assert_close(flow.log_prob(turned), flow.log_prob(x), rtol=0, atol=1e-10)


def test_a_phase_at_the_cut_is_finite_in_single_precision():
    x = torch.zeros(3, 2, 2, 2)
    x[:, 0] = -1
    x[1, 1], x[2, 1] = 1e-7, -1e-7
    turn = CommonPhase(2)
    y, log_det = turn(x)
    assert torch.isfinite(y).all()
    assert torch.isfinite(log_det).all()
    back, _ = turn.inverse(y)
    assert (back - x).abs().max() < 1e-4
    far, log_det = turn.inverse(torch.tensor([0.5, 9.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2))
    assert torch.isfinite(far).all()
    assert torch.isfinite(log_det).all()


@pytest.mark.parametrize("settings", [{"spread": 0.0}, {"core": -1.0}, {"spread": math.inf}])
def test_refused(settings):
    with pytest.raises(ValueError, match="expected a positive finite number"):
        CommonPhase(2, **settings)


def test_levels_behind_it_keep_their_places_and_see_the_whole_lattice():
    levels, net = BlockLevels(2, 2), BlockNet("mlp", hidden=(4, 4))
    flow = block_flow(8, 2, levels, net, outside=Outside("gaussian", symmetry="phase"))
    plain = block_flow(8, 2, levels, net, outside=Outside("gaussian"))
    assert flow.hierarchy.latents_per_level == plain.hierarchy.latents_per_level
    pixel = torch.zeros(8, 8, dtype=torch.bool)
    pixel[3, 2] = True
    assert flow.hierarchy.inference_cone(pixel).all()
    assert not plain.hierarchy.inference_cone(pixel).all()
    part = Chain([CommonPhase(8), plain.bijector, plain.bijector])
    assert part.hierarchy is None


def test_one_component_has_no_phase():
    with pytest.raises(ValueError, match="symmetry: got 'phase' with channels=1, expected 2"):
        conv_flow(4, 1, ConvLevels(1, hidden=2), outside=Outside(symmetry="phase"))
