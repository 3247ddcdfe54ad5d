"""Geometry on points whose distances are known: half plane, flat plane, trees."""

import math

import pytest
import torch

from rgflow.analysis import bulk_distance
from rgflow.analysis.geometry import (
    angle_sums,
    chord_length,
    compare_laws,
    curvature_radii,
    embed,
    fit_half_plane,
    fit_line,
    gromov_delta,
    half_plane_distances,
    hyperbolic_radius,
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
    assert laws.linear.slope.value == pytest.approx(0.5)
    noise = torch.randn(8, generator=torch.Generator().manual_seed(0))
    assert abs(compare_laws(r, noise, torch.full((8,), 1.0)).preference) < 4


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


def test_angle_sums_are_those_of_the_area():
    flat = torch.tensor([[0.0, 3, 4], [3, 0, 5], [4, 5, 0]])
    one = torch.tensor([[0, 1, 2]])
    assert angle_sums(flat, one).item() == pytest.approx(math.pi)
    assert angle_sums(flat, one, 1e4).item() == pytest.approx(math.pi - 6 / 1e8, abs=1e-9)
    angle = 0.6  # of an equilateral triangle, for which cosh(side / 2 R) = 1 / (2 sin(angle / 2))
    side = 2 * R * math.acosh(0.5 / math.sin(angle / 2))
    equilateral = torch.full((3, 3), side, dtype=torch.float64).fill_diagonal_(0)
    assert angle_sums(equilateral, one, R).item() == pytest.approx(3 * angle)
    huge = torch.full((3, 3), 2000.0, dtype=torch.float64).fill_diagonal_(0)
    assert angle_sums(huge, one, 1.0).item() == pytest.approx(0, abs=1e-6)


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
    assert torch.allclose(fit.predicted, d[i, j])


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
