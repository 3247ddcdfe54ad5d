"""Trajectories of the flow and the correlation length."""

import math

import numpy as np
import pytest

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.realspace.coupling_map.coupling_flow import (
    correlation_length_exponent,
    fixed_point,
)
from rgflow.realspace.coupling_map.scaling import (
    correlation_length,
    exact_correlation_length,
    trajectory,
)


def test_flow_leaves_the_fixed_point_on_both_sides():
    J = fixed_point()
    assert trajectory(J, 3) == pytest.approx([J] * 4, abs=1e-12)
    assert trajectory(J - 0.01, 40)[-1] < 1e-3
    assert trajectory(J + 0.01, 20)[-1] > 10


@pytest.mark.parametrize("side", [1, -1])
def test_correlation_length_has_the_exponent_of_the_flow(side):
    distance = np.geomspace(1e-7, 1e-3, 40)
    xi = [correlation_length(fixed_point() + side * d) for d in distance]
    slope = np.polyfit(np.log(distance), np.log(xi), 1)[0]
    assert -slope == pytest.approx(correlation_length_exponent(), rel=5e-3)
    assert correlation_length(fixed_point()) == math.inf


def test_exact_length_of_the_ising_model():
    # duality maps sinh 2J to its inverse; the length in the ordered phase is half the dual length
    J = 0.3
    dual = math.asinh(1 / math.sinh(2 * J)) / 2
    assert exact_correlation_length(dual) == pytest.approx(exact_correlation_length(J) / 2)


def test_exact_length_diverges_at_the_critical_coupling():
    assert exact_correlation_length(CRITICAL_COUPLING) == math.inf
    assert exact_correlation_length(CRITICAL_COUPLING - 1e-6) == pytest.approx(1 / 4e-6, rel=1e-3)


def test_wrong_coupling_is_refused():
    with pytest.raises(ValueError, match="got the coupling 0"):
        correlation_length(0.0)
    with pytest.raises(ValueError, match="got the coupling -1"):
        exact_correlation_length(-1.0)
