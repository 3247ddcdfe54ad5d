"""Residual informations of latents, where it is known how dependent they are."""

import json
import math

import pytest
import torch
from support import flow_of

from rgflow.analysis import latent_independence
from rgflow.analysis.independence import MEASURES
from rgflow.runtime.json_text import json_text

SAMPLES = 2048
RHO = 0.3


@pytest.fixture(scope="module")
def flow():
    return flow_of("conv_flow", side=8, channels=2, couplings=[2], hidden=[4], pixels=True)


@pytest.fixture(scope="module")
def found(flow):
    """The channels of level 0 are correlated, the sizes of level 1 have common scales."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(SAMPLES, 2, 8, 8, generator=generator)
    fine = flow.hierarchy.level_mask(0)
    z[:, 1, fine] = RHO * z[:, 0, fine] + math.sqrt(1 - RHO**2) * z[:, 1, fine]
    scale = torch.exp(0.5 * torch.randn(SAMPLES, 1, 1, generator=generator))
    z[..., ~fine] *= scale
    return latent_independence(flow, z, most_latents=80)


def test_dependence_is_found_where_it_is(found):
    assert found.levels == 2
    assert found.latents == (48, 32)
    distance, information, error = found.by_distance("values", 0)
    assert distance[0] == 0
    # a site has one pair, which is correlated
    assert abs(information[0] + 0.5 * math.log1p(-(RHO**2))) < 4 * error[0]
    assert (information[1:].abs() < 4 * error[1:]).all()
    assert (error < 0.01).all()
    sizes = found.matrix("sizes")
    assert sizes[0][1, 1] > 10 * sizes[1][1, 1]
    assert abs(sizes[0][0, 1]) < 4 * sizes[1][0, 1]
    for measure in MEASURES:
        for nearest in (False, True):
            value, error = found.matrix(measure, nearest)
            assert torch.equal(value, value.T)
            assert (error > 0).all()


def test_values_with_a_common_scale_are_uncorrelated_yet_dependent(found):
    values, error = found.matrix("values")
    assert abs(values[1, 1]) < 0.1 * found.matrix("sizes")[0][1, 1] + 4 * error[1, 1]
    linear, linear_error = found.matrix("linear_sizes")
    assert linear[1, 1] > 5 * linear_error[1, 1]


def test_nearest_pairs_are_a_part_of_all(found):
    near, far = (found.matrix("values", nearest)[0][0, 0] for nearest in (True, False))
    assert near > 2 * far > 0  # the correlated pairs are at one site


def test_the_report_has_all_numbers(found):
    report = json.loads(json_text(found.report()))
    assert report["samples"] == SAMPLES
    assert len(report["classes"]) == len(found.distance)
    assert report["classes"][0]["values"]["mean"] == pytest.approx(
        float(found.measures["values"].information[0])
    )
    assert report["nearest"]["sizes"]["mean"][1][1] > 0
    assert all(one["values"]["baseline"] > 0 for one in report["classes"])


def test_a_flow_without_levels_is_one_class():
    flow = flow_of("realnvp_flow", side=8, channels=1, couplings=2, scales=2, hidden=4)
    z = torch.randn(256, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found = latent_independence(flow, z)
    assert (found.levels, found.latents) == (1, (64,))
    value, error = found.matrix("values")
    assert abs(float(value)) < 4 * float(error) < 1e-3


def test_other_latents_are_refused(flow):
    with pytest.raises(ValueError, match="latents: got shape"):
        latent_independence(flow, torch.zeros(64, 1, 8, 8))
    with pytest.raises(ValueError, match="blocks: got"):
        latent_independence(flow, torch.randn(20, 2, 8, 8))
