"""Laws of distance in their windows, and the half plane, on informations that are known."""

import functools

import pytest
import torch

from rgflow.analysis.geometry import (
    along_boundary,
    boundary_laws,
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
    scale_law,
    separations,
    slice_cells,
)

SIDE = 32


def with_errors(bulk, relative):
    """The same bulk with errors that are a part of the informations, and bootstrap samples."""
    means = bulk.means
    noise = torch.randn(200, len(means.information), generator=torch.Generator().manual_seed(0))
    drawn = means.information * (1 + relative * noise.double())
    return bulk._replace(means=means._replace(error=relative * means.information, drawn=drawn))


@functools.cache
def exact(side, m2):
    """Haar levels, the last of which is one cell, of a free field."""
    flow = haar_flow(side, levels=side.bit_length() - 1)
    covariance = latent_covariance(flow, massless_spectrum(side, m2))
    cells = bulk_cells(flow.hierarchy)
    return exact_bulk_information(
        cells, covariance, [2 << h for h in range(flow.hierarchy.levels)]
    )


@pytest.fixture(scope="module")
def massless():
    return with_errors(exact(SIDE, 0.0), 0.02)


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


@pytest.mark.parametrize("relative", [0.02, 0.1])
def test_the_massless_field_has_the_logarithm(relative):
    laws = boundary_laws(with_errors(exact(SIDE, 0.0), relative), 0)
    assert (laws.cells, laws.window) == (16, (2, 8))
    assert laws.step.tolist() == list(range(1, 9))
    assert laws.laws.logarithmic.degrees == 5
    assert laws.laws.logarithmic.chi2 < 15
    assert laws.laws.linear.chi2 > 200
    assert laws.laws.verdict == "logarithm"


@pytest.mark.parametrize("relative", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("m2", [0.04, 0.25, 1.0])  # correlation lengths of 5, 2 and 1 sites
@pytest.mark.parametrize("side", [16, 32])
def test_a_gap_is_never_taken_for_the_logarithm(side, m2, relative):
    bulk = with_errors(exact(side, m2), relative)
    for level in (0, 1):
        laws = boundary_laws(bulk, level).laws
        assert laws is None or laws.verdict != "logarithm"
    if (side, m2) == (32, 1.0):
        assert boundary_laws(bulk, 0).laws.preference < -1000  # the line is much closer


def test_a_window_that_ends_early_is_never_taken_for_the_logarithm():
    """Over r = 2 to 5 alone, 5 sites of correlation length look like none at all."""
    bulk = exact(SIDE, 0.04)
    far = along_boundary(bulk, 0).information[4]
    means = with_errors(bulk, 0.1).means
    noise = torch.randn(means.drawn.shape, generator=torch.Generator().manual_seed(1)).double()
    drawn = means.drawn + far / 3 * noise / means.pairs.double().sqrt() * 16
    law = boundary_laws(bulk._replace(means=means._replace(drawn=drawn)), 0)
    assert law.window == (2, 5)
    assert law.laws.logarithmic.holds
    assert law.laws.preference > 10
    assert law.laws.verdict == "undecided"


def test_eight_cells_decide_nothing(massless):
    small = boundary_laws(massless, 1)
    assert (small.cells, small.window) == (8, (2, 4))
    assert small.laws.preference > 50
    assert small.laws.verdict == "undecided"
    none = boundary_laws(massless, 2)
    assert (none.cells, none.window, none.laws) == (4, None, None)


def test_weak_informations_have_no_law(massless):
    means = massless.means
    far = means.information < 3e-4
    factor = torch.where(far, 100.0, 1.0).double()
    drawn = means.information + factor * (means.drawn - means.information)
    laws = boundary_laws(massless._replace(means=means._replace(drawn=drawn)), 0)
    assert laws.step.tolist() == [1, 2]
    assert laws.window is None
    assert laws.laws is None


def test_the_law_along_the_scale_leaves_out_the_nearest_level(massless, hyperbolic):
    law = scale_law(massless, 0)
    assert law.step.tolist() == [1, 2, 3, 4]
    assert law.window == (2, 4)
    assert law.fit.degrees == 1
    assert scale_law(massless, 1).window == (1, 3)
    # informations that fall by the same factor from level to level
    cells, means = massless.cells, massless.means
    known = massless.orbits >= 0
    information = torch.zeros_like(means.information)
    apart = (cells.level[:, None] - cells.level[None]).abs().double()
    information[massless.orbits[known]] = (-0.5 - 0.9 * apart[known]).exp()
    even = with_errors(massless._replace(means=means._replace(information=information)), 0.02)
    line = scale_law(even, 0).fit
    assert line.slope.value == pytest.approx(0.9, abs=1e-6)
    assert line.intercept.value == pytest.approx(0.5, abs=1e-6)
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
