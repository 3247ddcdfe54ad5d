"""Sums and integrals from a point to infinity to any number of digits, by mpmath."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mpmath import mpf

Function = Callable[["mpf"], "mpf"]

_MOST_ORDERS = 60
_MOST_PANELS = 14  # x to exp(2**14), for x^-1.1 enough, for 1/x never


def sum_from(term: Function, first: int, tolerance: "mpf") -> "mpf":
    r"""``sum_{n >= first} f(n)`` by the Euler-Maclaurin formula.

    ``int_first^inf f + f(first) / 2 - sum_k B_2k / (2k)! f^(2k-1)(first)``, as far as the terms
    fall. They do where f is smooth on the scale of 1: an error that the caller has to find by
    another ``first``.

    Args:
        term: f, for real arguments.
        first: Where to begin.
        tolerance: Relative to ``f(first)``, where the series ends.
    """
    import mpmath

    at, size = mpmath.mpf(first), abs(term(mpmath.mpf(first)))
    total = integral_from(term, at, tolerance) + term(at) / 2
    orders, last = 16, mpmath.inf
    taylor: list[mpf] = []
    for k in range(1, _MOST_ORDERS):
        if 2 * k - 1 >= len(taylor):  # from the start again: derivatives need a common step
            orders *= 2
            taylor = mpmath.taylor(term, at, orders)
        # f^(2k-1) / (2k)! is the Taylor coefficient over 2k
        correction = mpmath.bernoulli(2 * k) / (2 * k) * taylor[2 * k - 1]
        if abs(correction) > last and abs(correction) > tolerance * size:
            break  # the series is asymptotic
        total -= correction
        last = max(abs(correction), last / 100 if last < mpmath.inf else abs(correction))
        if k > 3 and last < tolerance * size / 1000:
            break
    return total


def integral_from(function: Function, start: "mpf", tolerance: "mpf") -> "mpf":
    r"""``int_start^inf f(x) dx`` for an f that falls faster than 1/x.

    From ``a = max(start, 1)`` on the variable is ``ln(x / a)``, in which powers of x are
    exponentials; intervals double until they add nothing.

    Args:
        function: f.
        start: >= 0.
        tolerance: Relative, of the last interval.
    """
    import mpmath

    base = max(start, mpmath.mpf(1))
    total = mpmath.mpf(0)
    if start < base:
        total = mpmath.quad(function, mpmath.linspace(start, base, 5))

    def on_scale(u: "mpf") -> "mpf":
        x = base * mpmath.exp(u)
        return x * function(x)

    edge, nothing = mpmath.mpf(0), 0
    for panel in range(_MOST_PANELS + 8):
        # eight small intervals first: exponentials fall fast in the logarithm of x
        reach = edge + mpmath.mpf(0.5) if panel < 8 else 2 * edge
        part = mpmath.quad(on_scale, [edge, (edge + reach) / 2, reach])
        total += part
        edge = reach
        nothing = nothing + 1 if abs(part) <= tolerance * abs(total) / 100 else 0
        if nothing == 2:
            break
    return total
