"""The collective mode of Haar levels, where the mean field is one latent for each component."""

import math

import pytest
import torch

from rgflow.analysis.geometry import collective_directions, collective_mode, haar_flow

SIDE = 8


def test_the_mean_field_is_proportional_to_the_collective_latent():
    flow = haar_flow(SIDE, 2)
    directions = collective_directions(flow, 4)
    assert directions.shape == (2, 2, SIDE, SIDE)
    assert torch.allclose(directions.flatten(1).norm(dim=1), torch.ones(2).double())
    ones = torch.eye(2).double()[:, :, None, None].expand(2, 2, SIDE, SIDE)
    uniform = flow.encode(ones)  # of a field of one in one component
    inside = torch.einsum("kcij,ncij->nk", directions, uniform)
    length = uniform.flatten(1).norm(dim=1)
    assert torch.allclose(inside.norm(dim=1), length)  # they lie in the plane that was found
    steps = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 2.0]]).double()
    found = collective_mode(flow, torch.einsum("pk,kcij->pcij", steps, directions), 5)
    assert torch.allclose(found.amplitude, torch.tensor([3.0, 3.0, 2.0]).double() / length[0])
    assert torch.allclose(found.mean.norm(dim=1), found.amplitude)
    assert found.amplitude_error.max() < 1e-9
    turned = (found.phase[1] - found.phase[0]).abs()
    assert float(turned) == pytest.approx(math.pi)
    assert torch.allclose(found.coherence, torch.ones(3).double())
    assert (found.vortices > 0).all()  # of the finer latents
    assert torch.equal(found.vortices.isnan(), torch.zeros(3, dtype=torch.bool))


def test_a_real_field_has_a_sign():
    flow = haar_flow(SIDE)
    direction = collective_directions(flow, 4)
    assert direction.shape == (1, 1, SIDE, SIDE)
    found = collective_mode(flow, torch.cat((direction, -direction)), 3)
    assert found.phase.tolist() == pytest.approx([0, math.pi])  # m grows along the direction
    assert found.winding.isnan().all()


def test_latents_of_finer_levels_are_refused():
    flow = haar_flow(SIDE)
    with pytest.raises(ValueError, match="zero outside of the coarsest level"):
        collective_mode(flow, torch.ones(1, 1, SIDE, SIDE).double())
    with pytest.raises(ValueError, match="draws: got 1"):
        collective_mode(flow, torch.zeros(1, 1, SIDE, SIDE).double(), 1)
