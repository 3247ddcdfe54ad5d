r"""Sums over the integers with a smooth cut-off, and the constant that no scheme changes.

``S(N) = sum_{n >= 1} n eta(n / N)`` with ``eta(0) = 1`` has the expansion ``a N^2 - 1/12 + b_2
N^-2 + b_4 N^-4 + ...``, where only the constant -1/12 is the same for every scheme eta. By the
Euler-Maclaurin formula ``a = int_0^inf x eta(x) dx``, ``b_2 = eta''(0) / 240`` and ``b_4 =
-eta''''(0) / 6048``.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rgflow.realspace.cutoff.tail_sum import integral_from, sum_from

if TYPE_CHECKING:
    from mpmath import mpf

CutOff = Callable[["mpf"], "mpf"]
"""Analytic eta(x) in mpmath's functions, with eta(0) = 1, that falls faster than 1/x^2."""

EXPANSION_ERROR = 1e-6
"""Largest deviation of a coefficient from the sums, relative if the coefficient exceeds 1."""

_LARGEST_X = 128  # here exp(-x) has fallen below 1e-55
_ORDERS = 6  # the check of the expansion includes the terms N^-2, ..., N^-12


class Expansion(NamedTuple):
    """Coefficients of ``N^2``, ``1``, ``N^-2`` and ``N^-4`` in ``S(N)``."""

    quadratic: float
    constant: float
    second: float
    fourth: float


def schemes() -> dict[str, CutOff]:
    """Three examples of cut-offs eta(x), by their formula."""
    from mpmath import exp

    return {
        "exp(-x)": lambda x: exp(-x),
        "1/(x^2+1)^2": lambda x: 1 / (x * x + 1) ** 2,
        "1/(x^4+1)": lambda x: 1 / (x**4 + 1),
    }


def cutoff_sum(eta: CutOff, N: float, digits: int = 40) -> "mpf":
    r"""The sum ``S(N) = sum_{n >= 1} n eta(n / N)`` to many digits, by mpmath.

    If eta is negligible beyond x = 128, the terms are added one by one. Otherwise this is done up
    to n = 8 N, and the Euler-Maclaurin formula sums the smooth tail. Adding terms up to n = 16 N
    instead checks the result.

    Args:
        eta: The cut-off; takes and returns mpmath numbers.
        N: Scale of the cut-off, > 0.
        digits: Number of decimal digits of the arithmetic; the error of the result is at most
            ``N^2`` times ten to the power of ``10 - digits``.

    Raises:
        ValueError: If N is not positive, if ``eta(0)`` is not 1, if eta falls too slowly or does
            not return mpmath numbers, or if the two results differ. They do if eta oscillates and
            falls like a power, so that its tail cannot be integrated.

    >>> print(cutoff_sum(schemes()["exp(-x)"], 10))  # 1 / (2 cosh(1/10) - 2)
    99.9167083168047
    """
    import mpmath

    with mpmath.workdps(digits):
        tolerance = mpmath.mpf(10) ** (10 - digits)
        if not 0 < N < mpmath.inf or abs(eta(mpmath.mpf(0)) - 1) > tolerance:
            raise ValueError(
                f"got N={N} and eta(0)={eta(mpmath.mpf(0))}, expected N > 0 and eta(0) = 1"
            )
        _check_decay(eta)
        scale = mpmath.mpf(N)

        def term(n: "mpf") -> "mpf":
            return n * eta(n / scale)

        def partial_sum(first: int, end: int) -> "mpf":
            return mpmath.fsum(term(mpmath.mpf(n)) for n in range(first, end))

        if scale < 1000 and _is_negligible_beyond(eta, _LARGEST_X):
            return partial_sum(1, int(_LARGEST_X * scale) + 1)
        first = max(int(8 * scale), 40)
        head = partial_sum(1, first)
        total = head + sum_from(term, first, tolerance)
        check = head + partial_sum(first, 2 * first) + sum_from(term, 2 * first, tolerance)
        if not abs(total - check) <= tolerance * max(abs(check), scale**2):
            raise ValueError(
                f"got sums that differ by {mpmath.nstr(abs(total - check), 2)} if {first} or "
                f"{2 * first} terms are added one by one, expected equal ones, as of an eta(x) "
                "that is smooth beyond x = 8 and oscillates only where it falls exponentially"
            )
        return +check  # rounded to the digits of the arithmetic


def cutoff_expansion(
    eta: CutOff, sizes: Sequence[float] = (32, 40.5, 48), digits: int = 40
) -> Expansion:
    r"""Coefficients of ``S(N)`` in ``N^2, 1, N^-2, N^-4``, by an integral and derivatives of eta.

    The sums at a few N check the coefficients: after subtraction of all terms down to ``N^-12``
    the remainder must be too small to change any of them. For an analytic eta the remainder falls
    exponentially with N, at a rate that the poles of eta determine. The constant that is returned
    is not set to -1/12: it is the sum at the largest N minus the other terms.

    Args:
        eta: The cut-off; takes and returns mpmath numbers.
        sizes: Values of N for the check. A non-integer value also reveals kinks of eta at
            integers.
        digits: Number of decimal digits of the arithmetic.

    Raises:
        ValueError: If there are no sizes, if `cutoff_sum` refuses eta, or if a coefficient
            disagrees with the sums, as for an eta that is not analytic.

    >>> expansion = cutoff_expansion(schemes()["1/(x^2+1)^2"])
    >>> round(expansion.second * 60, 12), round(expansion.fourth * 84, 12)
    (-1.0, -1.0)
    """
    import mpmath

    if not sizes:
        raise ValueError("got no sizes, expected at least one value of N for the check")
    with mpmath.workdps(digits):
        sums = [(N, cutoff_sum(eta, N, digits)) for N in sorted(sizes)]
        quadratic = integral_from(lambda x: x * eta(x), mpmath.mpf(0), mpmath.mpf(10) ** -digits)
        coefficients = [quadratic, -mpmath.mpf(1) / 12, *_inverse_powers(eta)]
        for N, total in sums:
            powers = [mpmath.mpf(N) ** (2 - 2 * k) for k in range(len(coefficients))]
            remainder = total - mpmath.fdot(coefficients, powers)
            names = ("N^2", "1", "N^-2", "N^-4")
            for name, value, power in zip(names, coefficients, powers, strict=False):
                if not abs(remainder / power) <= EXPANSION_ERROR * max(1, abs(value)):
                    by_sum = value + remainder / power
                    raise ValueError(
                        f"got {mpmath.nstr(value, 8)} for the coefficient of {name} by the "
                        f"Euler-Maclaurin formula and {mpmath.nstr(by_sum, 8)} by the sum at "
                        f"N={N}, expected the same: an analytic eta, or larger sizes"
                    )
        coefficients[1] += remainder
        return Expansion(*(float(c) for c in coefficients[:4]))


def _inverse_powers(eta: CutOff) -> "list[mpf]":
    """Coefficients of ``N^(2-2k)``, k >= 2, which are ``-B_2k / (2k)! (2k - 1) eta^(2k-2)(0)``."""
    import mpmath

    # the derivative of order 2k - 1 of n eta(n / N) at n = 0 is (2k - 1) eta^(2k-2)(0) / N^(2k-2)
    taylor = mpmath.taylor(eta, 0, 2 * _ORDERS, direction=1)  # x < 0 is no argument of eta
    return [-mpmath.bernoulli(2 * k) / (2 * k) * taylor[2 * k - 2] for k in range(2, _ORDERS + 2)]


def _is_negligible_beyond(eta: CutOff, start: int) -> bool:
    """Whether ``x^2 eta(x)`` is below the last digit of the arithmetic for x >= start."""
    import mpmath

    points = [start * mpmath.mpf(x) for x in (1, 1.07, 1.19, 1.41, 2.3, 11, 101)]
    return all(abs(eta(x)) * x * x < mpmath.mpf(10) ** (-mpmath.mp.dps) for x in points)


def _check_decay(eta: CutOff) -> None:
    """Refuse an eta that falls no faster than ``1/x^2`` or computes in ordinary floats."""
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
