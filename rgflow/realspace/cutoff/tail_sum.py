"""Sums and integrals up to infinity, to any number of digits, by mpmath."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpmath import mpf

Function = Callable[["mpf"], "mpf"]

_MAX_TERMS = 60  # of the Euler-Maclaurin series
_MAX_DOUBLINGS = 14  # integrates up to x = exp(2**14), which is enough for x^-1.1


def sum_from(term: Function, first: int, tolerance: "mpf") -> "mpf":
    r"""``sum_{n >= first} f(n)`` by the Euler-Maclaurin formula.

    ``int_first^inf f(x) dx + f(first) / 2 - sum_k B_2k / (2k)! f^(2k-1)(first)``. The series over
    k is asymptotic and is summed as long as its terms fall, which they do if f is smooth on the
    scale of 1. The error is not estimated: compare the sums from two values of ``first``.

    Args:
        term: The summand f, for real arguments.
        first: Index n of the first term.
        tolerance: Size of the correction at which the series ends, relative to ``f(first)``.
    """
    import mpmath

    at, size = mpmath.mpf(first), abs(term(mpmath.mpf(first)))
    total = integral_from(term, at, tolerance) + term(at) / 2
    orders, last = 16, mpmath.inf
    taylor: list[mpf] = []
    for k in range(1, _MAX_TERMS):
        if 2 * k - 1 >= len(taylor):  # all anew, since the derivatives share one step length
            orders *= 2
            taylor = mpmath.taylor(term, at, orders)
        # f^(2k-1) / (2k)! is the Taylor coefficient of order 2k - 1, divided by 2k
        correction = mpmath.bernoulli(2 * k) / (2 * k) * taylor[2 * k - 1]
        if abs(correction) > last and abs(correction) > tolerance * size:
            break  # from here the asymptotic series diverges
        total -= correction
        last = max(abs(correction), last / 100 if last < mpmath.inf else abs(correction))
        if k > 3 and last < tolerance * size / 1000:
            break
    return total


def integral_from(function: Function, start: "mpf", tolerance: "mpf") -> "mpf":
    r"""``int_start^inf f(x) dx`` of a function f that falls faster than 1/x.

    Beyond ``a = max(start, 1)`` the integration variable is ``u = ln(x / a)``, in which powers of
    x fall exponentially. Intervals of growing length are added until they no longer contribute.

    Args:
        function: The integrand f.
        start: Lower end of the integral, >= 0.
        tolerance: Relative error at which the integral ends.
    """
    import mpmath

    base = max(start, mpmath.mpf(1))
    total = mpmath.mpf(0)
    if start < base:
        total = mpmath.quad(function, mpmath.linspace(start, base, 5))

    def integrand(u: "mpf") -> "mpf":
        x = base * mpmath.exp(u)
        return x * function(x)

    left, negligible = mpmath.mpf(0), 0  # end of the last interval, negligible ones in a row
    for interval in range(_MAX_DOUBLINGS + 8):
        # eight short intervals first: an f that is exponential in x falls very fast in u
        right = left + mpmath.mpf(0.5) if interval < 8 else 2 * left
        part = mpmath.quad(integrand, [left, (left + right) / 2, right])
        total += part
        left = right
        negligible = negligible + 1 if abs(part) <= tolerance * abs(total) / 100 else 0
        if negligible == 2:
            break
    return total
