"""Laws of distance in their windows, and the half plane, on informations that are known."""

import math

import pytest
import torch

from rgflow.analysis.geometry import (
    boundary_laws,
    boundary_window,
    bulk_cells,
    distance_matrix,
    exact_bulk_information,
    gromov_delta,
    haar_flow,
    half_plane,
    latent_covariance,
    massless_spectrum,
    orbit_pairs,
    predicted_matrix,
    radius_per_level,
    scale_law,
    separations,
    slice_cells,
)

SIDE = 32
STEPS = [2, 4, 8, 16, 32]


def with_errors(bulk, relative):
    """The same bulk with errors that are a part of the informations, and bootstrap samples."""
    means = bulk.means
    noise = torch.randn(200, len(means.information), generator=torch.Generator().manual_seed(0))
    drawn = means.information * (1 + relative * noise.double())
    return bulk._replace(means=means._replace(error=relative * means.information, drawn=drawn))


@pytest.fixture(scope="module")
def massless():
    flow = haar_flow(SIDE, levels=5)  # the last of which is one cell
    covariance = latent_covariance(flow, massless_spectrum(SIDE))
    return with_errors(exact_bulk_information(bulk_cells(flow.hierarchy), covariance, STEPS), 0.02)


@pytest.fixture(scope="module")
def hyperbolic():
    """Informations that are those of a half plane of radius 2 with depths 0.8 2^level."""
    flow = haar_flow(16)
    cells = bulk_cells(flow.hierarchy)
    bulk = exact_bulk_information(cells, torch.eye(256).double(), [2, 4, 8])
    z = 0.8 * 2.0 ** cells.level.double()
    r2 = separations(cells).square() + (z[:, None] - z[None]).square()
    distance = 1.5 + 4 * (r2 / (4 * z[:, None] * z[None])).sqrt().asinh()
    information = torch.zeros_like(bulk.means.information)
    known = bulk.orbits >= 0
    information[bulk.orbits[known]] = (-distance[known]).exp()
    return with_errors(bulk._replace(means=bulk.means._replace(information=information)), 0.01)


def test_the_window_is_known_beforehand():
    assert boundary_window(64, 32) == slice(1, 16)
    assert boundary_window(64, 7) == slice(1, 7)  # the rest is not significant
    assert boundary_window(16, 8) == slice(1, 4)
    assert boundary_window(8, 4) == slice(1, 4)  # three points at least
    assert boundary_window(8, 3) is None
    assert boundary_window(4, 2) is None


def test_laws_are_fitted_in_the_window_only(massless):
    laws = boundary_laws(massless, 0)
    assert (laws.cells, laws.window) == (16, (2, 4))
    assert laws.step.tolist() == list(range(1, 9))
    assert laws.plain.logarithmic.degrees == 1
    assert laws.plain.preference > 50
    # with chords the slope is closer to that of the infinite lattice, -4 d ln I / d ln r
    assert laws.chord.logarithmic.chi2 < laws.plain.logarithmic.chi2
    small = boundary_laws(massless, 1)
    assert (small.cells, small.window) == (8, (2, 4))
    none = boundary_laws(massless, 2)
    assert (none.cells, none.window, none.plain, none.chord) == (4, None, None, None)


def test_weak_informations_have_no_law(massless):
    means = massless.means
    far = means.information < 3e-4
    factor = torch.where(far, 100.0, 1.0).double()
    drawn = means.information + factor * (means.drawn - means.information)
    laws = boundary_laws(massless._replace(means=means._replace(drawn=drawn)), 0)
    assert laws.step.tolist() == [1, 2]
    assert laws.window is None
    assert laws.plain is None


def test_the_law_along_the_scale_leaves_out_the_nearest_level(massless, hyperbolic):
    law = scale_law(massless, 0)
    assert law.step.tolist() == [1, 2, 3, 4]
    assert law.window == (2, 4)
    assert law.fit.degrees == 1
    assert scale_law(massless, 1).window == (1, 3)
    per_level = radius_per_level(law)
    assert float(per_level[-1]) == pytest.approx(
        float(law.distance.distance.diff()[-1]) / math.log(2)
    )
    assert scale_law(hyperbolic, 0).window is None  # two levels are no line


def test_the_half_plane_is_found_where_it_is(hyperbolic):
    found = half_plane(hyperbolic)
    assert found.fit.radius.value == pytest.approx(2, abs=1e-3)
    assert found.fit.depth.value == pytest.approx(0.8, abs=1e-3)
    assert found.fit.offset.value == pytest.approx(1.5, abs=1e-3)
    assert found.rms < 1e-3
    pairs = found.pairs
    assert (pairs.r <= 4).all()
    same = pairs.first == pairs.second
    assert (pairs.r[same & (pairs.first == 0)] > 3).all()  # neighbours touch
    chosen = slice_cells(hyperbolic.cells)
    assert len(chosen) == 8 + 4 + 2
    distances = distance_matrix(hyperbolic, chosen, 1.5)
    predicted = predicted_matrix(found.fit, hyperbolic.cells, chosen)
    assert torch.allclose(distances, predicted, atol=2e-2)


def test_too_few_pairs_have_no_half_plane(hyperbolic):
    means = hyperbolic.means
    weak = hyperbolic._replace(means=means._replace(error=means.information))
    assert half_plane(weak) is None
    distances = distance_matrix(weak, slice_cells(weak.cells), 0.0)
    assert distances[~torch.eye(len(distances), dtype=torch.bool)].isnan().all()


def test_each_orbit_and_its_exchange_are_one_pair(hyperbolic):
    pairs = orbit_pairs(hyperbolic)
    assert (pairs.first <= pairs.second).all()
    by_levels = [
        int(((pairs.first == a) & (pairs.second == b)).sum())
        for a, b in ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2))
    ]
    # 63 displacements of 8 x 8 cells, of which 3 are their own opposites: 33, and so on
    assert by_levels == [33, 9, 3, 64, 16]
    assert float(pairs.r[(pairs.first == 0) & (pairs.second == 0)].max()) == pytest.approx(
        8 * 2**0.5
    )


def test_unknown_distances_are_left_out_of_delta():
    points = torch.randn(7, 2, generator=torch.Generator().manual_seed(0)).double()
    distances = torch.cdist(points, points)
    distances = (distances + distances.T) / 2
    expected = gromov_delta(distances[:6, :6])
    unknown = distances.clone()
    unknown[6, :6] = unknown[:6, 6] = torch.nan
    found = gromov_delta(unknown)
    assert found.delta == expected.delta
    assert found.quadruples == expected.quadruples == 15
    with pytest.raises(ValueError, match="no four points"):
        gromov_delta(torch.where(torch.eye(7, dtype=torch.bool), 0.0, torch.nan))
    one_sided = distances.clone()
    one_sided[0, 1] = torch.nan
    with pytest.raises(ValueError, match="symmetric"):
        gromov_delta(one_sided)
