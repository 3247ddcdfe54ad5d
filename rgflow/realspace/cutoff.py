r"""Sums over all integers with a smooth cut-off: what depends on the scheme, and what does not.

``S(N) = sum_{n >= 1} n eta(n / N)`` with ``eta(0) = 1`` has the expansion ``a N^2 - 1/12 + b_2
N^-2 + b_4 N^-4 + ...``; only the constant is the same for every scheme.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mpmath import mpf

CutOff = Callable[["mpf"], "mpf"]
"""Analytic eta with eta(0) = 1, written with mpmath's functions, that falls faster than 1/x^2."""

CONSTANT_ERROR = 1e-6
"""Largest change of the constant without one of the sums that `cutoff_expansion` accepts."""


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

    The first terms are added one by one; the smooth rest is summed by the Euler-Maclaurin formula.

    Args:
        eta: The cut-off; called with mpmath numbers.
        N: Where it cuts, > 0.
        digits: Of the arithmetic.

    Raises:
        ValueError: If N is not positive, ``eta(0)`` is not 1, or eta falls too slowly or does not
            return mpmath numbers, which alone have the digits.

    >>> print(cutoff_sum(schemes()["exp(-x)"], 10))  # 1 / (2 cosh(1/10) - 2)
    99.9167083168047
    """
    import mpmath

    with mpmath.workdps(digits):
        if not N > 0 or abs(eta(mpmath.mpf(0)) - 1) > mpmath.mpf(10) ** (10 - digits):
            raise ValueError(f"got N={N} and eta(0)={eta(mpmath.mpf(0))}, expected N > 0 and 1")
        _check_decay(eta)
        scale = mpmath.mpf(N)
        first = max(int(8 * scale), 40)

        def term(n: "mpf") -> "mpf":
            return n * eta(n / scale)

        head = mpmath.fsum(term(mpmath.mpf(n)) for n in range(1, first))
        return head + mpmath.sumem(term, [first, mpmath.inf], tol=mpmath.mpf(10) ** (5 - digits))


def cutoff_expansion(
    eta: CutOff, sizes: Sequence[int] = tuple(range(8, 40, 4)), digits: int = 40
) -> Expansion:
    r"""Coefficients of ``S(N)`` in ``N^2, 1, N^-2, N^-4, ...`` through as many sums as sizes.

    Odd powers are absent, as in the Euler-Maclaurin formula, and what is beyond all powers falls
    like ``exp(-2 pi N)`` or so, according to the poles of eta.

    Args:
        eta: The cut-off.
        sizes: At least 4 values of N; the larger, the less is beyond all powers.
        digits: Of the arithmetic.

    Raises:
        ValueError: If there are too few sizes, or eta is no cut-off as in `cutoff_sum`, or the
            constant depends on the sizes, as for an eta that is not analytic.

    >>> round(cutoff_expansion(schemes()["1/(x^2+1)^2"]).constant * 12, 6)
    -1.0
    """
    import mpmath

    if len(set(sizes)) < 4:
        raise ValueError(f"got sizes {list(sizes)}, expected at least 4 different ones")
    with mpmath.workdps(digits):
        powers = range(2, 2 - 2 * len(sizes), -2)
        matrix = mpmath.matrix([[mpmath.mpf(N) ** power for power in powers] for N in sizes])
        sums = mpmath.matrix([cutoff_sum(eta, N, digits) for N in sizes])
        solved = mpmath.lu_solve(matrix, sums)
        fewer = mpmath.lu_solve(matrix[1:, :-1], sums[1:, :])
        if abs(solved[1] - fewer[1]) > CONSTANT_ERROR:
            raise ValueError(
                f"got a constant that depends on the sizes {list(sizes)}, "
                f"{float(solved[1]):.6g} or {float(fewer[1]):.6g}, expected an analytic eta or "
                "larger sizes"
            )
        return Expansion(*(float(c) for c in solved[:4]))


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
