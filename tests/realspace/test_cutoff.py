import math

import mpmath
import pytest

from rgflow.realspace.cutoff import cutoff_expansion, cutoff_sum, schemes

# a, b_2, b_4 of the Euler-Maclaurin formula: moments of eta and its derivatives at 0
COEFFICIENTS = {
    "exp(-x)": (1, 1 / 240, -1 / 6048),
    "1/(x^2+1)^2": (1 / 2, -1 / 60, -1 / 84),
    "1/(x^4+1)": (math.pi / 4, 0, 1 / 252),
}


@pytest.mark.parametrize("name", schemes())
def test_expansion_of_the_lecture(name):
    expansion = cutoff_expansion(schemes()[name])
    quadratic, second, fourth = COEFFICIENTS[name]
    assert expansion.quadratic == pytest.approx(quadratic, abs=1e-14)
    assert expansion.constant == pytest.approx(-1 / 12, abs=1e-12)
    assert expansion.second == pytest.approx(second, abs=1e-10)
    assert expansion.fourth == pytest.approx(fourth, abs=1e-7)


@pytest.mark.parametrize("N", [1, 3.5, 40])
def test_sums_in_closed_form(N):
    total = cutoff_sum(schemes()["exp(-x)"], N)
    with mpmath.workdps(40):
        exact = 1 / (2 * (mpmath.cosh(1 / mpmath.mpf(N)) - 1))
        assert abs(total - exact) < 1e-30 * exact
        # sum n / (n^2 + N^2)^2 = -Im psi_1(1 + iN) / (2N)
        trigamma = mpmath.psi(1, mpmath.mpc(1, N))
        exact = -mpmath.im(trigamma) * mpmath.mpf(N) ** 3 / 2
        assert abs(cutoff_sum(schemes()["1/(x^2+1)^2"], N) - exact) < 1e-28 * exact


def test_constant_does_not_depend_on_the_users_cut_off():
    for eta in (lambda x: mpmath.exp(-x * x), mpmath.sech, lambda x: mpmath.exp(-x) * (1 + x)):
        assert cutoff_expansion(eta).constant == pytest.approx(-1 / 12, abs=1e-10)


def test_what_is_no_cut_off_is_refused():
    with pytest.raises(ValueError, match="eta\\(0\\)"):
        cutoff_sum(lambda x: 2 * mpmath.exp(-x), 10)
    with pytest.raises(ValueError, match="N=0"):
        cutoff_sum(schemes()["exp(-x)"], 0)
    with pytest.raises(ValueError, match="with mpmath's functions"):
        cutoff_sum(lambda x: math.exp(-x), 10)
    for slow in (lambda x: 1 / (1 + x), lambda x: 1 / (1 + x * x)):
        with pytest.raises(ValueError, match="no faster than"):
            cutoff_sum(slow, 10)
    with pytest.raises(ValueError, match="depends on the sizes"):
        cutoff_expansion(lambda x: mpmath.exp(1 - 1 / (1 - x * x)) if x < 1 else mpmath.mpf(0))
    with pytest.raises(ValueError, match="at least 4"):
        cutoff_expansion(schemes()["exp(-x)"], sizes=(8, 8, 8, 8))
