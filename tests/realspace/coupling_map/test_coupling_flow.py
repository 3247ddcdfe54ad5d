"""The flow of the coupling on plaquettes: known values, derivatives, limits."""

import math

import mpmath
import pytest

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.realspace.coupling_map.coupling_flow import (
    beta_of_fixed_point,
    coupling_of_weight,
    coupling_weight,
    fixed_point,
    flow_slope,
    linearised_flow,
    renormalized_coupling,
    weight_of_coupling,
)

# coupling J, weight w(J), renormalized coupling J'
EXACT = [
    (0.1, 0.2772751, 0.0732367),
    (0.3, 0.5548450, 0.2598549),
    (0.6, 0.9869690, 0.6499514),
    (1.0, 1.6859470, 1.3399621),
]


@pytest.mark.parametrize(("J", "weight", "renormalized"), EXACT)
def test_known_values(J, weight, renormalized):
    assert coupling_weight(J) == pytest.approx(weight, abs=1e-7)
    assert renormalized_coupling(J) == pytest.approx(renormalized, abs=1e-7)


def test_fixed_point_and_exponent():
    flow = linearised_flow()
    assert flow.fixed_point == pytest.approx(0.4862611, abs=5e-8)
    assert flow.fixed_point == fixed_point()
    # 12 digits from 40-digit arithmetic, by central differences with three step lengths
    assert flow.slope == pytest.approx(1.35679655025, abs=1e-11)
    assert flow.exponent == pytest.approx(1.13583597120, abs=1e-11)
    assert 0 < flow.error < 1e-11


def test_slope_in_high_precision_and_as_quoted():
    """The quoted 1.3568525 is a forward difference; the derivative is 1.3567966."""
    with mpmath.workdps(40):

        def weight(J):
            def slope(w):  # of the KL divergence, summed over half of the states
                p = [2 * mpmath.exp(4 * J), 8, 4 + 2 * mpmath.exp(-4 * J)]
                q = [2 * mpmath.cosh(4 * w), 8 * mpmath.cosh(2 * w), 6]
                g = [4 * mpmath.tanh(4 * w), 2 * mpmath.tanh(2 * w), 0]
                return mpmath.fdot(q, g) / mpmath.fsum(q) - mpmath.fdot(p, g) / mpmath.fsum(p)

            return mpmath.findroot(slope, coupling_weight(float(J)))

        def renormalized(J):
            return mpmath.log(mpmath.cosh(2 * weight(J))) / 2

        J = mpmath.findroot(lambda J: renormalized(J) - J, 0.4862611)
        h = mpmath.mpf(10) ** -12
        slope = (renormalized(J + h) - renormalized(J - h)) / (2 * h)
        step = mpmath.mpf("7.5e-5")
        forward = (renormalized(J + step) - J) / step
        assert linearised_flow().slope == pytest.approx(float(slope), abs=1e-13)
        nu = mpmath.log(2) / 2 / mpmath.log(slope)
        assert linearised_flow().exponent == pytest.approx(float(nu), abs=1e-13)
        assert float(forward) == pytest.approx(1.3568525, abs=1e-6)


@pytest.mark.parametrize("beta", [0.0, 0.1, 2.0])
def test_slope_is_the_derivative(beta):
    J, h = 0.43, 1e-4
    values = [renormalized_coupling(J + k * h, beta) for k in (-2, -1, 1, 2)]
    derivative = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    assert flow_slope(J, beta) == pytest.approx(derivative, rel=1e-9)


def test_small_and_large_couplings():
    assert coupling_weight(0.0) == renormalized_coupling(0.0) == coupling_weight(0.0, 1.0) == 0
    # J' = 2J/3 for small J, 2J - ln 2 for large J; no jump where the series takes over
    assert renormalized_coupling(1e-12) == pytest.approx(2e-12 / 3)
    assert coupling_weight(1.0001e-8) == pytest.approx(math.sqrt(2.0002e-8 / 3), rel=1e-6)
    assert coupling_weight(1e-9, 0.1) == pytest.approx(coupling_weight(1e-9), rel=1e-9)
    assert coupling_weight(1e-6, 50.0) ** 2 == pytest.approx(2e-6 / 3 * (1 + 5e-5), rel=1e-5)
    assert renormalized_coupling(100.0) == pytest.approx(200 - math.log(2))


def test_weight_and_coupling_are_inverse():
    for w in (1e-3, 0.7, 5.0):
        assert weight_of_coupling(coupling_of_weight(w)) == pytest.approx(w, rel=1e-8)


@pytest.mark.parametrize("beta", [0.0, 0.2, 3.0])
def test_fixed_point_maps_to_itself_for_every_beta(beta):
    J = fixed_point(beta)
    assert renormalized_coupling(J, beta) == pytest.approx(J, abs=1e-12)
    assert beta_of_fixed_point(J) == pytest.approx(beta, abs=1e-9)


def test_information_makes_the_fixed_point_exact():
    beta = beta_of_fixed_point(CRITICAL_COUPLING)
    assert beta == pytest.approx(0.0905150, abs=1e-7)
    assert fixed_point(beta) == pytest.approx(CRITICAL_COUPLING, abs=1e-12)


@pytest.mark.parametrize("J", [-0.1, math.nan, math.inf, 151.0])
def test_wrong_couplings_are_refused(J):
    with pytest.raises(ValueError, match="got the coupling"):
        coupling_weight(J)
    with pytest.raises(ValueError, match="got the beta"):
        fixed_point(-1.0)


@pytest.mark.parametrize("J", [0.6, 0.0, -1.0, math.nan])
def test_couplings_that_no_beta_makes_a_fixed_point_are_refused(J):
    with pytest.raises(ValueError, match="got the coupling"):
        beta_of_fixed_point(J)


def test_beta_beyond_uniform_weights_logs_a_warning(caplog):
    fixed_point(1.1)
    assert not caplog.records
    fixed_point(2.0)
    assert "a copy of one spin has a smaller loss" in caplog.text
