"""Informations between points of the bulk, on the free field, where all of them are exact."""

import math

import pytest
import torch
from support import flow_of, perturbed

from rgflow.analysis.geometry import (
    along_boundary,
    along_scale,
    bulk_cells,
    bulk_information,
    compare_laws,
    exact_bulk_information,
    fit_line,
    haar_flow,
    latent_covariance,
    massless_spectrum,
    pair_orbits,
    sample_spectrum,
    translation_steps,
)
from rgflow.energies import GaussianField
from rgflow.statistics.information import gaussian_information

SIDE = 16


@pytest.fixture(scope="module")
def exact():
    flow = haar_flow(SIDE)
    cells = bulk_cells(flow.hierarchy)
    covariance = latent_covariance(flow, massless_spectrum(SIDE))
    return exact_bulk_information(cells, covariance, [2, 4, 8])


@pytest.fixture(scope="module")
def measured():
    flow = haar_flow(SIDE)
    generator = torch.Generator().manual_seed(0)
    z = flow.encode(sample_spectrum(massless_spectrum(SIDE), 8192, generator=generator))
    return bulk_information(bulk_cells(flow.hierarchy), z.float(), [2, 4, 8])


def test_the_pipeline_reproduces_all_informations(exact, measured):
    means = measured.means
    assert torch.equal(means.pairs, exact.means.pairs)
    pulls = (means.information - exact.means.information) / means.error
    assert abs(pulls.mean()) < 0.35
    assert 0.8 < pulls.std() < 1.25
    assert pulls.abs().max() < 5
    # at level 0: 3 x 3 correlations of noise, averaged over 64 pairs that are not independent
    noise = 9 / (2 * 8192 * 64)
    assert 0.8 * noise < means.baseline[measured.orbits[0, 2:6]].mean() < 2.5 * noise


def test_the_pipeline_reproduces_distances_and_their_laws(exact, measured):
    found, truth = (along_boundary(one, 0) for one in (measured, exact))
    assert found.step.tolist() == [1, 2, 3, 4]
    distance, expected = found.distance(), truth.distance()
    assert ((distance.distance - expected.distance).abs() < 4 * distance.error).all()
    laws = compare_laws(found.step, distance.distance, distance.covariance)
    best = compare_laws(found.step, expected.distance, distance.covariance)
    for one, other in ((laws.logarithmic, best.logarithmic), (laws.linear, best.linear)):
        assert abs(one.slope.value - other.slope.value) < 4 * one.slope.error
    assert laws.preference > 100
    upwards, truth = (along_scale(one, 0) for one in (measured, exact))
    distance = upwards.distance()
    assert (distance.distance - truth.distance().distance).abs().max() < 4 * distance.error.max()
    assert upwards.step.tolist() == [1, 2]


def test_exact_informations_are_those_of_the_covariance(exact):
    """The diagonal details of two cells, against sums over the two-point function by hand."""
    flow = haar_flow(SIDE)
    spectrum = massless_spectrum(SIDE, m2=0.1)
    two_point = torch.fft.ifft2(spectrum).real
    x = GaussianField(SIDE, 0.1).sample(4000, torch.Generator().manual_seed(0), torch.float64)
    assert x.square().mean() == pytest.approx(float(two_point[0, 0]), rel=0.05)
    covariance = latent_covariance(flow, spectrum)
    signs = torch.tensor([[1.0, -1], [-1, 1]]).double()  # the third detail of a cell

    def between(shift):
        total = 0.0
        for a in range(4):
            for b in range(4):
                rows = shift + b // 2 - a // 2
                columns = b % 2 - a % 2
                sign = signs[a // 2, a % 2] * signs[b // 2, b % 2]
                total += float(sign * two_point[rows % SIDE, columns % SIDE])
        return total

    z = flow.encode(signs[None, None].repeat(1, 1, 8, 8) / 2)
    site = next(s for s in (1, SIDE, SIDE + 1) if z.flatten()[s].abs() > 0.1)
    rho = covariance[site, site + 2 * SIDE] / covariance[site, site]
    assert float(rho) == pytest.approx(between(2) / between(0))
    assert float(gaussian_information(rho)) < 0.1


def test_the_massless_field_has_the_same_radius_in_both_directions():
    side = 32
    flow = haar_flow(side)
    cells = bulk_cells(flow.hierarchy)
    steps = [2 << h for h in range(4)]
    bulk = exact_bulk_information(cells, latent_covariance(flow, massless_spectrum(side)), steps)
    near = along_boundary(bulk, 0)
    even = torch.full((3,), 0.01)
    # information falls as r^-4: both details are derivatives of a field that decays as ln r
    boundary = fit_line(near.step[1:4].log(), near.distance().distance[1:4], even)
    assert boundary.slope.value / 2 == pytest.approx(2, rel=0.1)  # 0.04 at L = 64
    per_level = along_scale(bulk, 0).distance().distance.diff()
    # 0.02 at L = 64
    assert float(per_level[-1]) / math.log(2) == pytest.approx(2, rel=0.15)
    # a mass makes the same distances grow linearly
    gapped = latent_covariance(flow, massless_spectrum(side, m2=0.25))
    far = along_boundary(exact_bulk_information(cells, gapped, steps), 0)
    window, errors = slice(1, 6), torch.full((5,), 0.1)
    for profile, sign in ((near, 1), (far, -1)):
        distance = profile.distance().distance[window]
        assert sign * compare_laws(profile.step[window], distance, errors).preference > 20


def test_the_zero_mode_is_of_no_concern():
    flow = haar_flow(8)
    spectrum = massless_spectrum(8)
    wider = spectrum.clone()
    wider[0, 0] *= 100
    cells = bulk_cells(flow.hierarchy)
    one, other = (
        exact_bulk_information(cells, latent_covariance(flow, s)).means.information
        for s in (spectrum, wider)
    )
    assert torch.allclose(one, other, atol=1e-12)


def test_cells_have_places_and_three_sites_each():
    cells = bulk_cells(haar_flow(8).hierarchy)
    assert cells.level.bincount().tolist() == [16, 4]
    assert cells.sites.flatten().unique().numel() == 60  # all but the four coarse ones
    levels = haar_flow(8).hierarchy.level_of_site.flatten()
    assert torch.equal(levels[cells.sites], cells.level[:, None].expand(-1, 3))
    z = torch.arange(2 * 2 * 64).view(2, 2, 8, 8)
    assert cells.of(z).shape == (2, 20, 6)
    assert cells.of(z)[0, 0].tolist() == [1, 65, 8, 72, 9, 73]
    assert cells.centre[0].tolist() == [0.5, 0.5]


def test_orbits_of_pairs_are_those_of_translations():
    cells = bulk_cells(haar_flow(8).hierarchy)
    orbits = pair_orbits(cells, [2, 4])
    # 16 displacements at level 0, 4 at level 1, and 16 fine cells about a coarse one, both ways
    assert int(orbits.max()) + 1 == 16 + 4 + 16 + 16
    assert orbits[0, 1] == orbits[2, 3] == orbits[5, 6] != orbits[1, 0]
    assert orbits[0, 16] == orbits[2, 17] != orbits[1, 16]
    alone = pair_orbits(cells, [8, 8])
    assert int(alone.max()) + 1 == 400


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        # the dense net of the last level knows its place
        ({"_": "conv_flow", "couplings": [2], "hidden": [4]}, [2, 8]),
        (
            {
                "_": "block_flow",
                "block": 4,
                "couplings": 2,
                "conditioner": "mlp",
                "hidden": 8,
            },
            [4, 8],
        ),
    ],
)
def test_steps_of_translations_are_found(settings, expected):
    torch.manual_seed(0)
    maker = settings["_"]
    plain = {name: value for name, value in settings.items() if name != "_"}
    flow = perturbed(flow_of(maker, side=8, channels=1, **plain))
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64)
    assert translation_steps(flow, x)[:2] == expected


def test_what_is_not_linear_or_has_no_levels_is_refused():
    torch.manual_seed(0)
    flow = perturbed(flow_of("conv_flow", side=8, channels=1, couplings=[2], hidden=[4]))
    with pytest.raises(ValueError, match="not linear"):
        latent_covariance(flow, massless_spectrum(8))
    with pytest.raises(ValueError, match="got a flow in"):
        latent_covariance(haar_flow(8).float(), massless_spectrum(8))
    with pytest.raises(ValueError, match="side: got 12"):
        haar_flow(12)
    with pytest.raises(ValueError, match="m2: got -1"):
        massless_spectrum(8, -1.0)
    bulk = exact_bulk_information(
        bulk_cells(haar_flow(4).hierarchy), latent_covariance(haar_flow(4), massless_spectrum(4))
    )
    with pytest.raises(ValueError, match="with 1 cells aside"):
        along_boundary(bulk, 1)
    with pytest.raises(ValueError, match="level: got 1"):
        along_scale(bulk, 1)


def test_the_significant_part_ends_at_the_first_weak_information(measured):
    profile = along_boundary(measured, 0)
    covariance = profile.covariance.clone()
    covariance[2, 2] = profile.information[2] ** 2
    weak = profile._replace(covariance=covariance).significant(4)
    assert weak.step.tolist() == [1, 2]
    assert weak.covariance.shape == (2, 2)
