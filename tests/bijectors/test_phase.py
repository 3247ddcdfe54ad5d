"""The common phase of a complex field as a number of its own."""

import math

import pytest
import torch

from rgflow import Flow
from rgflow.bijectors import Chain, CommonPhase
from rgflow.lattice.phases import turned_phases
from rgflow.models import BlockLevels, BlockNet, ConvLevels, Outside, block_flow, conv_flow
from rgflow.priors import Gaussian
from rgflow.testing import assert_log_det

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


def test_far_numbers_come_back_in_single_precision():
    """Flows that are new or grown give such numbers; what does not come back misleads training."""
    turn = CommonPhase(16)
    w = torch.tensor([0.5, 2.9, 3.0, 3.1, 4.0, 8.0, 20.0, -3.5, -9.0])
    y = fields(16).float()[:1].repeat(len(w), 1, 1, 1)
    y = y - y.mean((2, 3), keepdim=True)
    y = y + torch.stack([torch.full_like(w, 1.1), w * turn.spread * 2**0.5], 1)[..., None, None]
    x, log_det = turn.inverse(y)
    back, forward_log_det = turn(x)
    torch.testing.assert_close(back.mean((2, 3))[:, 1], y.mean((2, 3))[:, 1], rtol=0.03, atol=1e-6)
    torch.testing.assert_close(forward_log_det, -log_det, rtol=0, atol=0.06)


def test_the_tail_has_the_jacobian_of_its_map():
    turn = CommonPhase(1, spread=0.3)
    y = torch.tensor([[0.8, 0.3 * 2**0.5 * w] for w in (2.0, 3.5, -6.0)], dtype=torch.float64)
    assert_log_det(turn, turn.inverse(y.view(3, 2, 1, 1))[0])
    near = torch.tensor(
        [[0.8, 0.3 * 2**0.5 * w] for w in (3 - 1e-9, 3 + 1e-9)], dtype=torch.float64
    )
    x, log_det = turn.inverse(near.view(2, 2, 1, 1))
    assert (x[0] - x[1]).abs().max() < 1e-12
    torch.testing.assert_close(log_det[0], log_det[1], rtol=0, atol=1e-7)


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
