import pytest
import torch

from rgflow.data.ellipse_fit import labelled_ellipses
from rgflow.data.msds import generate_msds
from rgflow.evaluation.level_factors import level_factors
from rgflow.evaluation.msds_factors import (
    ellipse_factors,
    labelled_factors,
    measured_factors,
    msds_kind,
)

NAMES = {1: ("base colour", "own colour"), 2: ("base orientation", "own orientation")}


@pytest.mark.parametrize("kind", [1, 2])
def test_measured_factors_are_those_of_the_labels(kind):
    drawn = generate_msds(kind, 100, seed=4)
    measured, known = measured_factors(drawn.images, kind), labelled_factors(drawn.labels, kind)
    assert list(measured) == list(known) == ["orientation", "colour", "position", *NAMES[kind]]
    for name, factor in measured.items():
        assert factor.weights.mean() > 0.99
        error = ((factor.values - known[name].values) * factor.weights[..., None]).norm(dim=-1)
        assert error.quantile(0.98) < 0.02


def test_the_base_colour_and_what_is_an_ellipse_s_own_make_its_colour():
    factors = labelled_factors(generate_msds(1, 50, seed=4).labels, 1)
    base, own = factors["base colour"], factors["own colour"]
    assert base.values.shape == (50, 1, 3)
    torch.testing.assert_close(base.values + own.values, factors["colour"].values)
    torch.testing.assert_close(own.values.mean(1), torch.zeros(50, 3))
    assert factors["colour"].values.max() <= 1


def test_turning_all_ellipses_turns_the_base_orientation_alone():
    drawn = generate_msds(2, 50, seed=4)
    before = labelled_factors(drawn.labels, 2)
    turned = drawn.labels.clone()
    turned[..., 2] += 70
    after = labelled_factors(turned, 2)
    torch.testing.assert_close(
        before["own orientation"].values, after["own orientation"].values, atol=1e-4, rtol=0
    )
    cosine = (before["base orientation"].values * after["base orientation"].values).sum(-1)
    torch.testing.assert_close(cosine, torch.full((50, 1), -0.766044), atol=1e-4, rtol=0)
    # ellipses of MSDS2 are within 45 degrees, hence within 45 of their mean
    assert before["own orientation"].values[..., 0].min() > 0


def test_ellipses_that_are_not_clear_have_a_colour_only():
    ellipses = labelled_ellipses(generate_msds(2, 5, seed=4).labels)
    is_clear = ellipses.is_clear.clone()
    is_clear[0, 3] = False
    is_clear[1] = False
    factors = ellipse_factors(ellipses._replace(is_clear=is_clear), 2)
    assert factors["colour"].weights.min() == 1
    for name in ("orientation", "position", "own orientation"):
        assert torch.equal(factors[name].weights, is_clear.float())
    assert factors["base orientation"].weights[:, 0].tolist() == [1, 0, 1, 1, 1]
    for factor in factors.values():
        assert factor.values.isfinite().all()


@pytest.mark.parametrize("node", [None, {}, {"dataset": "msds3"}, {"dataset": "celeba"}])
def test_other_data_are_refused(node):
    with pytest.raises(ValueError, match="expected msds1 or msds2"):
        msds_kind(node)


def test_unknown_sources_and_kinds_are_refused():
    with pytest.raises(ValueError, match="got 'here', expected samples or images"):
        level_factors(None, None, redrawn_from="here")
    with pytest.raises(ValueError, match="MSDS kind: got 3, expected 1 or 2"):
        ellipse_factors(labelled_ellipses(torch.zeros(1, 1, 6)), 3)
