r"""Sums over all integers with a smooth cut-off: what depends on the scheme, and what does not.

``S(N) = sum_{n >= 1} n eta(n / N)`` with ``eta(0) = 1`` has the expansion ``a N^2 - 1/12 + b_2
N^-2 + b_4 N^-4 + ...``; only the constant is the same for every scheme. By the Euler-Maclaurin
formula ``a = int_0^inf x eta(x) dx``, ``b_2 = eta''(0) / 240`` and ``b_4 = -eta''''(0) / 6048``.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rgflow.realspace.cutoff.tail_sum import integral_from, sum_from

if TYPE_CHECKING:
    from mpmath import mpf

CutOff = Callable[["mpf"], "mpf"]
"""Analytic eta with eta(0) = 1, written with mpmath's functions, that falls faster than 1/x^2."""

EXPANSION_ERROR = 1e-6
"""Largest error of each coefficient, relative where it is above 1, that the sums may suggest."""

_REACH = 128  # beyond it exp(-x) has fallen below 1e-55
_ORDERS = 6  # coefficients of N^-2, ..., N^-12 that the cross-check takes into account


class Expansion(NamedTuple):
    """Coefficients of ``N^2``, ``1``, ``N^-2`` and ``N^-4``, as floats."""

    quadratic: float
    constant: float
    second: float
    fourth: float


def schemes() -> dict[str, CutOff]:
    """The lecture's three cut-offs, by their formula."""
    from mpmath import exp

    return {
        "exp(-x)": lambda x: exp(-x),
        "1/(x^2+1)^2": lambda x: 1 / (x * x + 1) ** 2,
        "1/(x^4+1)": lambda x: 1 / (x**4 + 1),
    }


def cutoff_sum(eta: CutOff, N: float, digits: int = 40) -> "mpf":
    r"""``sum_{n >= 1} n eta(n / N)``, by mpmath.

    If eta is nothing beyond x = 128, terms are added one by one. Else that is done up to 8 N and
    the smooth rest is summed by the Euler-Maclaurin formula; the same from 16 N tells the error.

    Args:
        eta: The cut-off; called with mpmath numbers.
        N: Where it cuts, > 0.
        digits: Of the arithmetic; the result has ten less, relative to ``N^2``.

    Raises:
        ValueError: If N is not positive, ``eta(0)`` is not 1, or eta falls too slowly or does not
            return mpmath numbers, which alone have the digits; or if both results differ, as
            where eta oscillates and falls like a power, so that its tail cannot be integrated.

    >>> print(cutoff_sum(schemes()["exp(-x)"], 10))  # 1 / (2 cosh(1/10) - 2)
    99.9167083168047
    """
    import mpmath

    with mpmath.workdps(digits):
        tolerance = mpmath.mpf(10) ** (10 - digits)
        if not 0 < N < mpmath.inf or abs(eta(mpmath.mpf(0)) - 1) > tolerance:
            raise ValueError(f"got N={N} and eta(0)={eta(mpmath.mpf(0))}, expected N > 0 and 1")
        _check_decay(eta)
        scale = mpmath.mpf(N)

        def term(n: "mpf") -> "mpf":
            return n * eta(n / scale)

        def added(first: int, end: int) -> "mpf":
            return mpmath.fsum(term(mpmath.mpf(n)) for n in range(first, end))

        if scale < 1000 and _is_nothing_beyond(eta, _REACH):
            return added(1, int(_REACH * scale) + 1)
        first = max(int(8 * scale), 40)
        head = added(1, first)
        total = head + sum_from(term, first, tolerance)
        longer = head + added(first, 2 * first) + sum_from(term, 2 * first, tolerance)
        if not abs(total - longer) <= tolerance * max(abs(longer), scale**2):
            raise ValueError(
                f"got sums that differ by {mpmath.nstr(abs(total - longer), 2)} with {first} and "
                f"{2 * first} terms one by one, expected equal ones: an eta that is smooth beyond "
                "8 N, without oscillations unless it falls exponentially"
            )
        return +longer


def cutoff_expansion(
    eta: CutOff, sizes: Sequence[float] = (32, 40.5, 48), digits: int = 40
) -> Expansion:
    r"""Coefficients of ``S(N)`` in ``N^2, 1, N^-2, N^-4`` by integral and derivatives of eta.

    Sums at some sizes are the check: without all terms to ``N^-12`` nothing must be left that
    could be a part of a coefficient. For an analytic eta what is beyond all powers falls
    exponentially with N, according to its poles. The constant that is returned is the sum at the
    largest N without the other terms, not the -1/12 that it has to be.

    Args:
        eta: The cut-off.
        sizes: Values of N of the check; one that is no integer sees kinks at integers, too.
        digits: Of the arithmetic.

    Raises:
        ValueError: If there are no sizes, or eta is no cut-off as in `cutoff_sum`, or a
            coefficient disagrees with the sums, as for an eta that is not analytic.

    >>> expansion = cutoff_expansion(schemes()["1/(x^2+1)^2"])
    >>> round(expansion.second * 60, 12), round(expansion.fourth * 84, 12)
    (-1.0, -1.0)
    """
    import mpmath

    if not sizes:
        raise ValueError("got no sizes, expected some values of N for the check")
    with mpmath.workdps(digits):
        sums = [(N, cutoff_sum(eta, N, digits)) for N in sorted(sizes)]
        quadratic = integral_from(lambda x: x * eta(x), mpmath.mpf(0), mpmath.mpf(10) ** -digits)
        coefficients = [quadratic, -mpmath.mpf(1) / 12, *_inverse_powers(eta)]
        for N, total in sums:
            powers = [mpmath.mpf(N) ** (2 - 2 * k) for k in range(len(coefficients))]
            rest = total - mpmath.fdot(coefficients, powers)
            names = ("N^2", "1", "N^-2", "N^-4")
            for name, value, power in zip(names, coefficients, powers, strict=False):
                if not abs(rest / power) <= EXPANSION_ERROR * max(1, abs(value)):
                    raise ValueError(
                        f"got {mpmath.nstr(value, 8)} for the coefficient of {name} by the "
                        f"Euler-Maclaurin formula and {mpmath.nstr(value + rest / power, 8)} by "
                        f"the sum at N={N}, expected the same: an analytic eta, or larger sizes"
                    )
        coefficients[1] += rest
        return Expansion(*(float(c) for c in coefficients[:4]))


def _inverse_powers(eta: CutOff) -> "list[mpf]":
    """Coefficients of ``N^-2, N^-4, ...``: ``-B_2k / (2k)! (2k - 1) eta^(2k-2)(0)``, k >= 2."""
    import mpmath

    # ``n eta(n/N)`` has the derivative ``(2k - 1) eta^(2k-2)(0) / N^(2k-2)`` of order 2k - 1 at 0
    taylor = mpmath.taylor(eta, 0, 2 * _ORDERS, direction=1)  # eta is for x >= 0 only
    return [-mpmath.bernoulli(2 * k) / (2 * k) * taylor[2 * k - 2] for k in range(2, _ORDERS + 2)]


def _is_nothing_beyond(eta: CutOff, reach: int) -> bool:
    import mpmath

    points = [reach * mpmath.mpf(x) for x in (1, 1.07, 1.19, 1.41, 2.3, 11, 101)]
    return all(abs(eta(x)) * x * x < mpmath.mpf(10) ** (-mpmath.mp.dps) for x in points)


def _check_decay(eta: CutOff) -> None:
    import mpmath

    near, far = mpmath.mpf(10) ** 6, mpmath.mpf(10) ** 9
    values = [eta(near), eta(far)]
    if not all(isinstance(value, mpmath.mpf) for value in values):
        raise ValueError(
            f"got eta(x) of type {type(values[0]).__name__}, expected mpmath's mpf: write eta "
            "with mpmath's functions"
        )
    if abs(values[1]) * far**2 > 0.9 * abs(values[0]) * near**2:
        raise ValueError("got an eta that falls no faster than 1/x^2, expected a faster one")
