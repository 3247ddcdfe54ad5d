"""What the geometry's page decides, on bulks whose geometry is known."""

import functools
import math

import pytest
import torch

from rgflow.analysis.geometry import (
    bulk_cells,
    exact_bulk_information,
    haar_flow,
    latent_covariance,
    massless_spectrum,
    separations,
)
from rgflow.evaluation.geometry.bulks import mean_information, signal
from rgflow.evaluation.geometry.checks import _leading
from rgflow.evaluation.geometry.laws import _in_words, source_laws
from rgflow.evaluation.geometry.shape import space_of
from rgflow.evaluation.geometry.space import _in_words as space_in_words
from rgflow.evaluation.study.parts import Part
from rgflow.statistics.information import latent_mutual_information


@functools.cache
def exact(side, m2):
    flow = haar_flow(side)
    cells = bulk_cells(flow.hierarchy)
    steps = [2 << h for h in range(flow.hierarchy.levels)]
    covariance = latent_covariance(flow, massless_spectrum(side, m2))
    return with_errors(exact_bulk_information(cells, covariance, steps), 0.02)


def with_errors(bulk, relative):
    means = bulk.means
    noise = torch.randn(60, len(means.information), generator=torch.Generator().manual_seed(0))
    drawn = means.information * (1 + relative * noise.double())
    return bulk._replace(means=means._replace(error=relative * means.information, drawn=drawn))


def of_distances(distances):
    """A bulk of 16 x 16 sites whose informations are those of the distances of its cells."""
    bulk = exact(16, 0.0)
    information = torch.zeros_like(bulk.means.information)
    known = bulk.orbits >= 0
    information[bulk.orbits[known]] = (-distances(bulk.cells)[known]).exp()
    return with_errors(bulk._replace(means=bulk.means._replace(information=information)), 0.01)


@pytest.fixture(scope="module")
def flat():
    def distances(cells):
        apart = (cells.level[:, None] - cells.level[None]).double()
        return 1 + torch.hypot(separations(cells) / 4, apart)

    return space_of(of_distances(distances))


@pytest.fixture(scope="module")
def hyperbolic():
    def distances(cells):
        z = 0.8 * 2.0 ** cells.level.double()
        r2 = separations(cells).square() + (z[:, None] - z[None]).square()
        return 1.5 + 4 * (r2 / (4 * z[:, None] * z[None])).sqrt().asinh()

    return space_of(of_distances(distances))


def test_a_flat_bulk_has_no_curvature(flat):
    assert flat.plane.fit.flat_chi2 < 1e-3
    assert "R decides nothing" in space_in_words(flat.plane)
    assert flat.curved.stress <= 1.001 * flat.flat.stress


def test_a_hyperbolic_bulk_has_its_radius_and_a_small_delta(hyperbolic, flat):
    fit = hyperbolic.plane.fit
    assert fit.radius.value == pytest.approx(2, abs=0.01)
    assert fit.radius_in_cells.value == pytest.approx(1 / (2 * math.asinh(1 / 0.8)), abs=0.01)
    assert fit.flat_chi2 - fit.chi2 > 10
    assert "better than a flat space" in space_in_words(hyperbolic.plane)
    assert not hyperbolic.is_flat
    assert hyperbolic.delta[0] == pytest.approx(hyperbolic.delta_predicted, rel=0.02)
    diameters = [float(one.flat.distances.max()) for one in (hyperbolic, flat)]
    assert hyperbolic.delta[0] / diameters[0] < 0.7 * flat.delta[0] / diameters[1]


def test_the_error_of_delta_is_that_of_its_distances(hyperbolic):
    # 1 percent of information is an error of 0.01 of a distance, and means depend on many
    assert 1e-5 < hyperbolic.delta[1] < 0.01


def test_too_few_known_distances_have_no_space():
    bulk = exact(16, 0.0)
    weak = bulk._replace(means=bulk.means._replace(error=bulk.means.information))
    assert space_of(weak) is None
    # neighbours along one row alone: a path has no four points that all know of each other
    near = (separations(bulk.cells) < 2.1) & (bulk.cells.level[:, None] == bulk.cells.level)
    error = torch.full_like(bulk.means.error, 1e9)
    error[bulk.orbits[near & (bulk.orbits >= 0)]] = 1e-9
    assert space_of(bulk._replace(means=bulk.means._replace(error=error))) is None


def test_what_fits_decide_is_said_in_words():
    massless, gapped = (source_laws(exact(32, m2)).boundary for m2 in (0.0, 0.25))
    assert "the logarithm is preferred up to r = 8 cells" in _in_words(massless[0])
    assert "neither law holds, nothing is decided" in _in_words(gapped[0])
    assert "three distances" in _in_words(massless[1])
    short = massless[0]._replace(window=(2, 6))
    short = short._replace(laws=short.laws._replace(verdict="undecided"))
    assert "resolved up to r = 6 only" in _in_words(short)
    assert "too few for a law, nothing is decided" in _in_words(massless[2])


def test_leading_variables_of_independent_cells_know_nothing_of_each_other():
    values = []
    for seed in range(12):
        generator = torch.Generator().manual_seed(seed)
        a, b = torch.randn(2, 8000, 6, generator=generator).double()
        x, y = _leading(a, b)
        assert len(x) == len(y) == 4000
        values.append(latent_mutual_information(x, y, "gaussian_copula", blocks=16)[0])
    values = torch.tensor(values)
    # directions of the same samples would leave about 1e-3 nats
    assert abs(float(values.mean())) < 3 * float(values.std()) / 12**0.5
    assert float(values.mean()) < 3e-4


def test_leading_variables_find_the_direction_that_is_shared():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 8000, 3, generator=generator).double()
    b[:, 2] = 0.6 * a[:, 0] + 0.8 * b[:, 2]
    x, y = _leading(a, b)
    assert abs(float(torch.corrcoef(torch.stack((x, y)))[0, 1])) == pytest.approx(0.6, abs=0.04)
    assert float(x.std()) == pytest.approx(1, abs=0.05)


def test_the_mean_and_the_share_are_over_pairs():
    bulk = exact(16, 0.0)
    value, error = mean_information(bulk)
    matrix = bulk.matrix[~torch.eye(len(bulk.orbits), dtype=torch.bool)]
    assert value == pytest.approx(float(matrix.mean()))
    assert 0 < error < 0.01 * value
    means = bulk.means
    strong = means.information >= means.information.median()
    error = torch.where(strong, means.error, means.information)
    half = bulk._replace(means=means._replace(error=error))
    expected = float((matrix >= means.information.median()).double().mean())
    assert signal(half) == pytest.approx(expected)


def test_a_part_for_few_components_is_left_out_for_more(tmp_path):
    from rgflow.evaluation.study.setting import Setting

    part = Part("one", 1, lambda _: None, most_channels=2)
    two, three = (Setting(haar_flow(4, c), {}, tmp_path) for c in (2, 3))
    assert part.missing(two) is None
    assert part.missing(three) == "it takes 2 components at most, the flow has 3"
