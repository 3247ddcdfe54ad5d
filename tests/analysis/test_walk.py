import numpy as np
import pytest
import torch
from linear_flow import jacobian, linear_flow
from support import perturbed

from rgflow.analysis import latent_direction, principal_directions, random_directions, walk
from rgflow.analysis.generation_layers import decode_to
from rgflow.models import ConvLevels, Outside, RealNVPLayers, conv_flow, realnvp_flow
from rgflow.runtime.seeds import generator_for


def test_walk_decodes_the_points_of_a_line():
    flow = perturbed(conv_flow(8, 2, ConvLevels(2, hidden=4)))
    z = flow.prior.sample(3)
    direction = torch.randn(2, 8, 8)
    x = walk(flow, z, direction, [-1.0, 0.0, 2.5])
    assert x.shape == (3, 3, 2, 8, 8)
    torch.testing.assert_close(x[1], flow.decode(z))
    torch.testing.assert_close(x[2], flow.decode(z + 2.5 * direction))
    each = torch.stack([direction, 2 * direction, 0 * direction])
    by_sample = walk(flow, z, each, torch.tensor([1.0]))
    torch.testing.assert_close(by_sample[0], flow.decode(z + each))


def test_directions_stay_within_their_level():
    flow = conv_flow(8, 2, ConvLevels(2, hidden=4))
    assert latent_direction(flow, (1, 3, 5)).nonzero().tolist() == [[1, 3, 5]]
    directions = random_directions(flow, 0, 50, seed=1)
    mask = flow.hierarchy.level_mask(0)
    assert directions.shape == (50, 2, 8, 8)
    assert not directions[..., ~mask].any()
    assert directions[..., mask].std().item() == pytest.approx(1, abs=0.05)
    assert not torch.equal(directions, random_directions(flow, 0, 50, seed=2))


@pytest.mark.parametrize("level", [0, 1])  # by Lanczos, and by the matrix itself
def test_principal_directions_of_a_linear_flow_are_singular_vectors(level):
    flow = linear_flow(8, 2)
    found = principal_directions(flow, level, 3, n=2)
    matrix = jacobian(flow.decode, torch.zeros(2, 8, 8, dtype=torch.float64))
    mask = flow.hierarchy.level_mask(level).expand(2, 8, 8)
    vectors, values, _ = torch.linalg.svd(matrix[:, mask.flatten()].T)
    torch.testing.assert_close(found.response, values[:3], rtol=1e-4, atol=0)
    assert found.error.max() < 1e-8
    assert not found.directions[:, ~mask].any()
    # the cells are alike, so that singular values come in groups: a direction lies in its group
    for direction, value in zip(found.directions, values, strict=False):
        group = vectors[:, (values - value).abs() < 1e-4 * value]
        assert (direction[mask] @ group).norm().item() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(
        found.directions.flatten(1) @ found.directions.flatten(1).T,
        torch.eye(3, dtype=torch.float64),
        atol=1e-6,
        rtol=0,
    )


@pytest.mark.parametrize("space", ["data", "levels"])
def test_principal_directions_are_those_of_the_mean_over_the_points(space):
    outside = Outside(pixels=True)
    flow = perturbed(conv_flow(8, 1, ConvLevels(2, hidden=4), outside=outside)).double()
    found = principal_directions(flow, 1, 2, n=3, seed=4, temperature=0.5, space=space)
    mask = flow.hierarchy.level_mask(1).expand(1, 8, 8)
    matrix = torch.zeros(16, 16, dtype=torch.float64)
    squares = []
    for z in flow.prior.sample(3, 0.5, generator_for("principal directions", 4)):
        j = jacobian(lambda z: decode_to(flow, z, space), z)[:, mask.flatten()]
        matrix += j.T @ j / 3
        squares.append((j @ found.directions[0][mask]).square().sum())
    values, vectors = torch.linalg.eigh(matrix)
    torch.testing.assert_close(found.response, values.flip(0)[:2].sqrt())
    assert abs(found.directions[0][mask] @ vectors[:, -1]).item() == pytest.approx(1)
    exact = torch.stack(squares).std() / 3**0.5 / (2 * found.response[0])
    torch.testing.assert_close(found.error[0], exact)


def test_flows_of_other_kinds_and_few_latents():
    flow = perturbed(realnvp_flow(8, 1, RealNVPLayers(2, 1, hidden=4)))
    assert principal_directions(flow, 0, 2, n=2).directions.shape == (2, 1, 8, 8)
    small = perturbed(conv_flow(4, 1, ConvLevels(2, hidden=4), memory="rebuild"))
    assert len(principal_directions(small, 1, 9, n=2).response) == 4
    assert np.isfinite(principal_directions(small, 1, 9, n=2).response.numpy()).all()


def test_mistakes_are_refused():
    flow = conv_flow(8, 1, ConvLevels(2, hidden=4))
    z, direction = flow.prior.sample(2), torch.zeros(1, 8, 8)
    with pytest.raises(ValueError, match="got z of shape"):
        walk(flow, z[0], direction, [0])
    with pytest.raises(ValueError, match="got direction of shape"):
        walk(flow, z, torch.zeros(3, 1, 8, 8), [0])
    with pytest.raises(ValueError, match="expected K >= 1"):
        walk(flow, z, direction, [])
    with pytest.raises(ValueError, match="direction got numbers of type"):
        walk(flow, z, direction.int(), [0])
    for level in (-1, 2):
        with pytest.raises(ValueError, match="expected 0 to 1"):
            random_directions(flow, level, 1)
    with pytest.raises(ValueError, match="got n=1"):
        principal_directions(flow, 0, n=1)
    with pytest.raises(ValueError, match="latents: got"):
        latent_direction(flow, (0, 8, 0))
