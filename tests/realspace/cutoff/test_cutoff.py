"""Cut-off sums against closed forms, and the functions that are refused."""

import math

import mpmath
import pytest

from rgflow.realspace.cutoff.cutoff import cutoff_expansion, cutoff_sum, schemes

# a, b_2, b_4 of the Euler-Maclaurin formula: moments of eta and its derivatives at 0
COEFFICIENTS = {
    "exp(-x)": (1, 1 / 240, -1 / 6048),
    "1/(x^2+1)^2": (1 / 2, -1 / 60, -1 / 84),
    "1/(x^4+1)": (math.pi / 4, 0, 1 / 252),
}


@pytest.mark.parametrize("name", schemes())
def test_expansion_of_the_example_cut_offs(name):
    expansion = cutoff_expansion(schemes()[name])
    quadratic, second, fourth = COEFFICIENTS[name]
    assert expansion.quadratic == pytest.approx(quadratic, abs=1e-14)
    assert expansion.constant == pytest.approx(-1 / 12, abs=1e-15)
    assert expansion.second == pytest.approx(second, abs=1e-15)
    assert expansion.fourth == pytest.approx(fourth, abs=1e-15)


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


@pytest.mark.parametrize("N", [1, 8])
def test_sum_of_an_oscillating_cut_off(N):
    total = cutoff_sum(lambda x: mpmath.exp(-x) * mpmath.cos(20 * x), N)
    with mpmath.workdps(40):
        q = mpmath.exp(mpmath.mpc(-1, 20) / N)
        assert abs(total - mpmath.re(q / (1 - q) ** 2)) < 1e-30


def test_sum_of_a_slow_power():
    total = cutoff_sum(lambda x: (1 + x * x) ** -1.05, 8)
    with mpmath.workdps(40):
        # the binomial series in N/n turns the far terms into Hurwitz zeta functions
        scale, head = mpmath.mpf(8), 64
        exact = mpmath.fsum(n * (1 + (n / scale) ** 2) ** -1.05 for n in range(1, head))
        for k in range(25):
            power = 2 * mpmath.mpf(1.05) + 2 * k
            exact += (
                mpmath.binomial(-1.05, k) * scale**power * mpmath.zeta(power - 1, mpmath.mpf(head))
            )
        assert abs(total - exact) < 1e-28 * exact


def test_slow_oscillations_are_refused():
    # polylogarithms give 44.278003265; the Euler-Maclaurin formula, for smooth tails, does not
    with pytest.raises(ValueError, match="expected equal ones"):
        cutoff_sum(lambda x: mpmath.sinc(x) ** 4, 8, digits=20)


def fermi(x):
    return (1 + mpmath.exp(-10)) / (1 + mpmath.exp(10 * (x - 1)))


@pytest.mark.parametrize(
    ("eta", "second", "fourth"),
    [
        (lambda x: mpmath.exp(-(x**8)), 0, 0),
        (lambda x: 1 / (1 + 100 * x**4), 0, 2400 / 6048),
        (fermi, -1.8914061e-5, 7.5014912e-5),
        (lambda x: mpmath.exp(-x * x), -1 / 120, -1 / 504),
        (lambda x: mpmath.exp(-x) * (1 + x), -1 / 240, 3 / 6048),
    ],
)
def test_expansion_of_other_analytic_cut_offs(eta, second, fourth):
    expansion = cutoff_expansion(eta)
    assert expansion.constant == -1 / 12
    assert expansion.second == pytest.approx(second, rel=1e-7, abs=1e-15)
    assert expansion.fourth == pytest.approx(fourth, rel=1e-7, abs=1e-15)


@pytest.mark.parametrize(
    "eta",
    [
        lambda x: max(mpmath.mpf(0), 1 - x),  # integer sizes alone would give the constant -1/6
        lambda x: mpmath.exp(1 - 1 / (1 - x * x)) if x < 1 else mpmath.mpf(0),
        lambda x: mpmath.exp(-mpmath.sqrt(x)),
    ],
)
def test_cut_offs_that_are_not_analytic_are_refused(eta):
    with pytest.raises(ValueError, match="expected the same: an analytic eta"):
        cutoff_expansion(eta)


def test_functions_that_are_not_cut_offs_are_refused():
    with pytest.raises(ValueError, match="eta\\(0\\)"):
        cutoff_sum(lambda x: 2 * mpmath.exp(-x), 10)
    with pytest.raises(ValueError, match="N=0"):
        cutoff_sum(schemes()["exp(-x)"], 0)
    with pytest.raises(ValueError, match="with mpmath's functions"):
        cutoff_sum(lambda x: math.exp(-x), 10)
    for slow in (lambda x: 1 / (1 + x), lambda x: 1 / (1 + x * x)):
        with pytest.raises(ValueError, match="no faster than"):
            cutoff_sum(slow, 10)
    with pytest.raises(ValueError, match="got no sizes"):
        cutoff_expansion(schemes()["exp(-x)"], sizes=())
