"""Geometry on points whose distances are known: half plane, flat plane, trees."""

import math

import pytest
import torch

from rgflow.analysis import bulk_distance
from rgflow.analysis.geometry import (
    chord_length,
    compare_laws,
    curvature_radii,
    embed,
    fit_half_plane,
    fit_line,
    fit_periodic_line,
    gromov_delta,
    half_plane_distances,
    hyperbolic_radius,
    periodic_line,
)

R = 1.7


def half_plane_points(count=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = 20 * torch.rand(count, generator=generator, dtype=torch.float64)
    return x, torch.exp(3 * torch.rand(count, generator=generator, dtype=torch.float64))


@pytest.fixture(scope="module")
def hyperbolic():
    return half_plane_distances(*half_plane_points(), R)


@pytest.fixture(scope="module")
def flat():
    generator = torch.Generator().manual_seed(1)
    return _cdist(10 * torch.rand(24, 2, generator=generator, dtype=torch.float64))


def _cdist(points):
    return (points[:, None] - points[None]).norm(dim=-1)


def test_distance_is_the_logarithm_of_information_with_its_error():
    distance = torch.tensor([0.5, 2.0, 7.0], dtype=torch.float64)
    information = 0.3 * torch.exp(-distance / 1.4)
    spread = torch.tensor([[4.0, 1, 0], [1, 2, 0], [0, 0, 1]]).double() * 1e-8
    got = bulk_distance(information, xi=1.4, I0=0.3, covariance=spread)
    assert torch.allclose(got.distance, distance)
    slopes = -1.4 / information
    assert torch.allclose(got.covariance, slopes[:, None] * spread * slopes)
    alone = bulk_distance(information, 1.4, 0.3, error=spread.diagonal().sqrt())
    assert torch.allclose(alone.error, got.error)
    assert alone.covariance is None


def test_no_information_has_no_distance():
    got = bulk_distance(torch.tensor([0.0, -1e-4, 0.1]), error=torch.full((3,), 0.01))
    assert got.distance.isnan().tolist() == [True, True, False]
    assert got.error.isnan().tolist() == [True, True, False]


def test_both_directions_of_the_half_plane_have_its_radius():
    r = 2.0 ** torch.arange(8, 14)
    far = half_plane_distances(torch.cat((torch.zeros(1), r)).double(), torch.ones(7).double(), R)
    depths = half_plane_distances(torch.zeros(6).double(), 2.0 ** torch.arange(6).double(), R)
    laws = compare_laws(r, far[0, 1:], torch.full((6,), 1e-3))
    scale = fit_line(torch.arange(6), depths[0], torch.full((6,), 1e-3))
    radii = curvature_radii(laws.logarithmic, scale)
    assert radii.along_boundary.value == pytest.approx(R, rel=1e-4)
    assert radii.along_scale.value == pytest.approx(R, rel=1e-12)
    assert radii.ratio.value == pytest.approx(1, rel=1e-4)
    assert laws.preference > 1000  # against the straight line


def test_flat_distances_prefer_the_line_and_noise_prefers_nothing():
    r = torch.arange(1.0, 9.0)
    laws = compare_laws(r, 0.5 * r + 1, torch.full((8,), 0.05))
    assert laws.preference < -100
    assert laws.verdict == "line"
    assert laws.linear.slope.value == pytest.approx(0.5)
    noise = torch.randn(8, generator=torch.Generator().manual_seed(0))
    none = compare_laws(r, noise, torch.full((8,), 1.0))
    assert abs(none.preference) < 4
    assert none.verdict == "undecided"


def test_on_a_periodic_lattice_both_laws_have_their_image():
    r = torch.arange(2, 9).double()
    error = torch.full((7,), 0.02)
    flat = compare_laws(r, periodic_line(r, 16, 0.7) + 2, error, side=16)
    assert flat.verdict == "line"
    assert flat.linear.slope.value == pytest.approx(0.7, abs=1e-6)
    assert flat.linear.intercept.value == pytest.approx(2, abs=1e-5)
    assert flat.linear.chi2 < 1e-6
    # far from n/2 it is a line, and at n/2 it has no slope
    straight = periodic_line(torch.tensor([1.0, 2.0, 49.9, 50.0]), 100, 0.7).diff()
    assert float(straight[0]) == pytest.approx(0.7, abs=1e-6)
    assert abs(float(straight[2])) < 1e-2
    curved = compare_laws(r, 4 * chord_length(r, 16).log() + 1, error, side=16)
    assert curved.verdict == "logarithm"
    assert curved.logarithmic.slope.value == pytest.approx(4, abs=1e-6)
    # a law between both, and too few points
    between = (4 * chord_length(r, 16).log() + periodic_line(r, 16, 0.7)) / 2
    assert compare_laws(r, between, error / 10, side=16).verdict == "neither"
    assert compare_laws(r, between, 100 * error, side=16).verdict == "undecided"
    few = compare_laws(r[:3], periodic_line(r, 8, 0.7)[:3], error[:3], side=8)
    assert few.logarithmic.degrees == 1
    assert few.verdict == "undecided"


def test_errors_of_a_fit_that_does_not_hold_are_scaled():
    x, y = torch.arange(5.0), torch.tensor([0.0, 1.0, 4.0, 9.0, 16.0])
    bad, good = fit_line(x, y, torch.full((5,), 0.1)), fit_line(x, x, torch.full((5,), 0.1))
    assert good.holds
    assert not bad.holds
    assert bad.slope.error == pytest.approx(good.slope.error * (bad.chi2 / 3) ** 0.5)
    # so that they do not depend on the errors that were given
    assert fit_line(x, y, torch.full((5,), 0.01)).slope.error == pytest.approx(bad.slope.error)


def test_errors_of_a_periodic_line_are_the_scatter_of_its_slopes():
    r = torch.arange(2, 9).double()
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(200, 7, generator=generator, dtype=torch.float64)
    truth = periodic_line(r, 16, 0.7)
    fits = [fit_periodic_line(r, 16, truth + one, torch.full((7,), 0.1)) for one in noise]
    slopes = torch.tensor([fit.slope.value for fit in fits])
    assert abs(slopes.mean() - 0.7) < 4 * slopes.std() / 200**0.5
    assert slopes.std() / fits[0].slope.error == pytest.approx(1, abs=0.15)
    assert torch.tensor([f.chi2 for f in fits]).mean() == pytest.approx(5, abs=0.7)


def test_errors_of_a_fit_are_the_scatter_of_its_slopes():
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(0, 1, 6, dtype=torch.float64)
    root = torch.randn(6, 6, generator=generator, dtype=torch.float64) / 4 + torch.eye(6)
    noise = torch.randn(400, 6, generator=generator, dtype=torch.float64) @ root.T
    fits = [fit_line(x, 3 * x - 1 + one, root @ root.T) for one in noise]
    slopes = torch.tensor([fit.slope.value for fit in fits])
    assert abs(slopes.mean() - 3) < 4 * slopes.std() / 20
    assert slopes.std() / fits[0].slope.error == pytest.approx(1, abs=0.12)
    assert torch.tensor([f.chi2 for f in fits]).mean() == pytest.approx(4, abs=0.6)


def test_a_singular_covariance_can_be_used():
    x = torch.arange(5.0)
    spread = torch.cov(torch.randn(5, 4, generator=torch.Generator().manual_seed(0)))  # rank 3
    fit = fit_line(x, 2 * x + 1, spread)
    assert fit.slope.value == pytest.approx(2, abs=1e-6)
    assert 0.01 < fit.slope.error < 2


def test_chords_are_arcs_where_these_are_short():
    r = torch.tensor([0.0, 1.0, 16.0, 31.0], dtype=torch.float64)
    assert chord_length(r, 32).tolist() == pytest.approx(
        [0, 0.9984, 32 / math.pi, 0.9984], abs=1e-3
    )


def test_delta_of_a_tree_a_square_and_the_half_plane(hyperbolic, flat):
    depth = torch.randint(1, 9, (10,), generator=torch.Generator().manual_seed(0)).double()
    star = (depth[:, None] + depth[None]).fill_diagonal_(0)
    assert gromov_delta(star).delta == 0
    square = _cdist(torch.tensor([[0.0, 0], [0, 3], [3, 0], [3, 3]], dtype=torch.float64))
    found = gromov_delta(square)
    assert found.delta == pytest.approx(3 * (math.sqrt(2) - 1))
    assert found.relative == pytest.approx(2 - math.sqrt(2))
    assert found.quadruples == 1
    # four far points in the four directions: the bound R ln 2 is reached
    u = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.float64) * 1e6
    inner = (1 + 1e12) - u @ u.T
    ideal = R * torch.acosh(inner.clamp_min(1.0)).fill_diagonal_(0)
    assert gromov_delta(ideal).delta == pytest.approx(R * math.log(2), rel=1e-6)
    assert gromov_delta(hyperbolic).delta < R * math.log(2)
    assert gromov_delta(10 * flat).delta == pytest.approx(10 * gromov_delta(flat).delta)


def test_random_sets_of_four_find_nearly_the_largest_delta():
    d = half_plane_distances(*half_plane_points(49, seed=3), R)
    all_sets = gromov_delta(d[:48, :48])
    drawn = gromov_delta(d, quadruples=100_000)
    assert all_sets.quadruples == 194_580
    assert drawn.delta > 0.8 * all_sets.delta
    assert drawn.mean == pytest.approx(all_sets.mean, rel=0.1)


def test_the_radius_is_found_from_the_distances(hyperbolic, flat):
    assert hyperbolic_radius(hyperbolic) == pytest.approx(R, rel=1e-4)
    assert hyperbolic_radius(flat) > 20 * float(flat.max())


def test_embeddings_reproduce_the_distances_of_their_own_plane(hyperbolic, flat):
    for distances, own, other in ((hyperbolic, R, math.inf), (flat, math.inf, 1.0)):
        good, bad = embed(distances, own), embed(distances, other)
        assert good.stress < 1e-4
        assert torch.allclose(good.distances, distances, atol=1e-2)
        assert bad.stress > 50 * good.stress
    fitted = embed(hyperbolic)
    assert fitted.radius == pytest.approx(R, rel=1e-3)
    assert (fitted.points.norm(dim=1) < 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_plane_of_free_radius_never_fits_worse_than_the_flat_one(seed):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(12, 2, generator=generator, dtype=torch.float64)
    noise = torch.rand(12, 12, generator=generator, dtype=torch.float64)
    noisy = _cdist(points) * (0.5 + (noise + noise.T) / 2)
    assert embed(noisy).stress <= embed(noisy, math.inf).stress * 1.001


def test_an_embedding_fills_in_what_is_not_known(hyperbolic):
    holes = hyperbolic.clone()
    holes[0, 5:12] = holes[5:12, 0] = torch.nan
    found = embed(holes, R)
    assert torch.allclose(found.distances[0], hyperbolic[0], atol=0.02)


def test_the_half_plane_is_fitted_over_all_levels():
    levels = torch.arange(5).repeat_interleave(4).double()
    x = (2**levels) * torch.tensor([0.0, 1, 2, 5]).repeat(5)
    d = half_plane_distances(x, 0.8 * 2**levels, R) + 0.3
    i, j = torch.triu_indices(20, 20, 1)
    fit = fit_half_plane(
        (x[i] - x[j]).abs(), levels[i], levels[j], d[i, j], torch.full((190,), 1e-3)
    )
    assert fit.radius.value == pytest.approx(R, rel=1e-6)
    assert fit.depth.value == pytest.approx(0.8, rel=1e-6)
    assert fit.offset.value == pytest.approx(0.3, rel=1e-5)
    assert fit.chi2 < 1e-6
    assert fit.holds
    assert fit.flat_chi2 > 1000
    assert torch.allclose(fit.predicted, d[i, j])
    # neighbours of one level are 2 2^h sites apart
    neighbours = half_plane_distances(torch.tensor([0.0, 2.0]), torch.full((2,), 0.8), R)[0, 1]
    assert fit.radius_in_cells.value == pytest.approx(R / float(neighbours), rel=1e-5)
    step = 1e-4
    growth = [1 / (2 * math.asinh(1 / (0.8 + s))) for s in (-step, step)]
    assert fit.radius_in_cells.error == pytest.approx(
        fit.depth.error * (growth[1] - growth[0]) / (2 * step), rel=1e-4
    )


def test_a_flat_space_is_not_fitted_by_the_half_plane_for_more_than_its_errors():
    levels = torch.arange(4).repeat_interleave(4).double()
    x = (2**levels) * torch.tensor([0.0, 1, 2, 5]).repeat(4)
    i, j = torch.triu_indices(16, 16, 1)
    r = (x[i] - x[j]).abs()
    d = 1 + torch.hypot(r / 4, 0.7 * (levels[i] - levels[j]))
    fit = fit_half_plane(r, levels[i], levels[j], d, torch.full((120,), 0.01))
    assert fit.flat_chi2 < 1e-6
    assert not fit.holds
    other = fit_half_plane(r, levels[i], levels[j], d, torch.full((120,), 0.02))
    assert other.radius.error == pytest.approx(fit.radius.error, rel=1e-3)  # both are scaled


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: bulk_distance(torch.ones(2), xi=0.0), "got xi=0.0 and I0=1.0"),
        (lambda: fit_line(torch.ones(3), torch.ones(3), torch.ones(3)), "two different x"),
        (lambda: fit_line(torch.arange(3.0), torch.ones(2), torch.ones(3)), "got .3,. points"),
        (lambda: compare_laws(torch.zeros(3), torch.ones(3), torch.ones(3)), "r: got 0.0"),
        (lambda: gromov_delta(torch.ones(4, 4)), "zero on its diagonal"),
        (lambda: gromov_delta(torch.zeros(3, 3)), r"got shape \(3, 3\)"),
        (lambda: half_plane_distances(torch.zeros(2), torch.zeros(2)), "z: got depths from 0.0"),
        (lambda: embed(torch.full((5, 5), torch.nan)), "do not connect"),
        (lambda: embed(torch.zeros(5, 5), -1.0), "radius: got -1.0"),
    ],
)
def test_what_has_no_geometry_is_refused(call, complaint):
    with pytest.raises(ValueError, match=complaint):
        call()
