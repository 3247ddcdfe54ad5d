"""Laws of distance along a boundary: the logarithm of hyperbolic space, the line of flat space.

On a periodic lattice both have their image: what goes around the other way. It is correlations
that add up over images, and information is the square of one. A power law becomes one in the chord
``n/pi sin(pi r/n)``, and an exponential ``exp(-a r/2) + exp(-a (n - r)/2)``.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from scipy.optimize import minimize_scalar
from scipy.stats import chi2 as chi2_law
from torch import Tensor

from rgflow.statistics import Measured

HOLDS = 0.01
"""A fit holds if a chi2 as large as its own has at least this probability."""
MARGIN = 10.0
"""How much larger the chi2 of the other law has to be, for one to be preferred."""
LEAST_DEGREES = 2
"""Degrees of freedom of a fit that can decide; with one, both laws have nearly the same form."""


class Fit(NamedTuple):
    """A weighted least-squares fit ``y = slope x + intercept``, or of a periodic line.

    Attributes:
        slope: With its standard error.
        intercept: With its standard error. Errors of a fit that does not hold are multiplied by
            ``sqrt(chi2 / degrees)``.
        chi2: ``(y - f)^T C^-1 (y - f)`` with the covariance C of the data.
        degrees: Number of data less two; chi2 is about as large for a law that holds.
        probability: That of a chi2 as large as this one or larger, for a law that holds.
        predicted: Fitted values, ``(n,)``.
    """

    slope: Measured
    intercept: Measured
    chi2: float
    degrees: int
    probability: float
    predicted: Tensor

    @property
    def holds(self) -> bool:
        """Whether the probability is at least 1 percent."""
        return self.probability >= HOLDS


class LawComparison(NamedTuple):
    r"""Distances against r, by ``d = a ln r + b`` and by ``d = a r + b``.

    Attributes:
        logarithmic: Fit of the first law.
        linear: Fit of the second.
        preference: chi2 of the line less that of the logarithm; both have two parameters.
        verdict: ``"logarithm"`` or ``"line"`` if that law holds and the chi2 of the other one is
            larger by 10 or more, ``"neither"`` if both fail, ``"undecided"`` otherwise, and where
            there are less than two degrees of freedom.
    """

    logarithmic: Fit
    linear: Fit
    preference: float
    verdict: str


def fit_line(x: Tensor, y: Tensor, covariance: Tensor) -> Fit:
    r"""Fits ``y = slope x + intercept`` by least squares with the covariance of y.

    A covariance that comes from few bootstrap blocks is nearly singular, and its inverse follows
    noise: correlations are shrunk towards none until no eigenvalue of the correlation matrix is
    below 1 percent of the largest.

    Args:
        x: ``(n,)``.
        y: ``(n,)``.
        covariance: ``(n, n)`` of y, or its errors ``(n,)``.

    Raises:
        ValueError: For fewer than three points, other shapes, equal x, or errors that are not
            positive and finite.

    >>> fit = fit_line(torch.arange(3.0), torch.tensor([1.0, 3.0, 5.0]), torch.ones(3))
    >>> round(fit.slope.value, 6), round(fit.intercept.value, 6), fit.degrees
    (2.0, 1.0, 1)
    """
    x, y, whiten = _prepared(x, y, covariance)
    design = whiten(torch.stack((x, torch.ones_like(x)), 1))
    parameters = torch.linalg.lstsq(design, whiten(y[:, None])).solution[:, 0]
    return _fit(parameters, design, whiten, y, parameters[0] * x + parameters[1])


def fit_periodic_line(r: Tensor, side: int, y: Tensor, covariance: Tensor) -> Fit:
    r"""Fits ``y = -2 ln(exp(-a r/2) + exp(-a (n - r)/2)) + b``, a line of slope a for small r.

    Args:
        r: Distances along the lattice, 0 to n, ``(k,)``.
        side: n.
        y: ``(k,)``.
        covariance: ``(k, k)`` of y, or its errors ``(k,)``.

    Raises:
        ValueError: As `fit_line`.
    """
    r, y, whiten = _prepared(r, y, covariance)
    ones, target = whiten(torch.ones_like(r)[:, None])[:, 0], whiten(y[:, None])[:, 0]

    def best_intercept(slope: float) -> tuple[float, float]:
        rest = target - whiten(periodic_line(r, side, slope)[:, None])[:, 0]
        intercept = (ones @ rest) / (ones @ ones)
        return float(intercept), float((rest - intercept * ones).square().sum())

    scale = float((y.max() - y.min()) / (r.max() - r.min())) or 1.0
    grid = [scale * 10 ** (k / 10) for k in range(-20, 21)]
    k = min(range(1, 40), key=lambda i: best_intercept(grid[i])[1])
    solved = minimize_scalar(
        lambda slope: best_intercept(slope)[1],
        bounds=(grid[k - 1], grid[k + 1]),
        method="bounded",
        options={"xatol": 1e-9 * scale},
    )
    slope = float(solved.x)
    intercept = best_intercept(slope)[0]
    share = torch.sigmoid(slope * (side - 2 * r) / 2)  # of the direct way
    design = whiten(torch.stack((share * r + (1 - share) * (side - r), torch.ones_like(r)), 1))
    parameters = torch.tensor([slope, intercept], dtype=torch.float64)
    return _fit(parameters, design, whiten, y, periodic_line(r, side, slope) + intercept)


def compare_laws(
    r: Tensor, distance: Tensor, covariance: Tensor, side: int | None = None
) -> LawComparison:
    r"""Fits distances by ``a ln r + b`` and by ``a r + b`` with the same weights.

    Args:
        r: Distances on the boundary, ``(n,)``, positive.
        distance: Distances in the bulk, ``(n,)``.
        covariance: Their covariance ``(n, n)``, or their errors ``(n,)``.
        side: Length of the boundary if it is periodic. Then the logarithm is that of the chord,
            and the line has its image, see `fit_periodic_line`.

    Raises:
        ValueError: As `fit_line`, or if an r is not positive.
    """
    if not (r > 0).all():
        raise ValueError(f"r: got {float(r.min())}, expected positive distances")
    r = r.double()
    if side is None:
        logarithmic = fit_line(r.log(), distance, covariance)
        linear = fit_line(r, distance, covariance)
    else:
        logarithmic = fit_line(chord_length(r, side).log(), distance, covariance)
        linear = fit_periodic_line(r, side, distance, covariance)
    preference = linear.chi2 - logarithmic.chi2
    return LawComparison(logarithmic, linear, preference, _verdict(logarithmic, linear))


def chord_length(r: Tensor, side: int) -> Tensor:
    r"""Distance across the circle into which a periodic lattice is rolled, ``L/pi sin(pi r/L)``.

    It is what r becomes in correlations of a massless theory on a circle of circumference L.

    Args:
        r: Distances along the lattice, 0 to L.
        side: L.
    """
    return side / math.pi * torch.sin(math.pi * r / side)


def periodic_line(r: Tensor, side: int, slope: float) -> Tensor:
    """The line with its image, ``-2 ln(exp(-a r/2) + exp(-a (n - r)/2))``, see above."""
    return -2 * torch.logaddexp(-slope * r / 2, -slope * (side - r) / 2)


def fit_probability(chi2: float, degrees: int) -> float:
    """Probability of a chi2 that is as large or larger, for a law that holds."""
    return float(chi2_law.sf(chi2, degrees))


def _verdict(logarithmic: Fit, linear: Fit) -> str:
    if logarithmic.degrees < LEAST_DEGREES:
        return "undecided"
    if not (logarithmic.holds or linear.holds):
        return "neither"
    preference = linear.chi2 - logarithmic.chi2
    if abs(preference) < MARGIN:
        return "undecided"
    return "logarithm" if preference > 0 else "line"


def _prepared(
    x: Tensor, y: Tensor, covariance: Tensor
) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor]]:
    """The data in float64, and what gives columns ``(n, k)`` of values the errors one."""
    x, y, covariance = (t.double().cpu() for t in (x, y, covariance))
    covariance = covariance.square().diag() if covariance.dim() == 1 else covariance
    variances = covariance.diagonal() if covariance.dim() == 2 else covariance
    count = len(x)
    if count < 3 or y.shape != x.shape or covariance.shape != (count, count):
        raise ValueError(
            f"got {tuple(x.shape)} points, {tuple(y.shape)} values and a covariance of "
            f"{tuple(covariance.shape)}, expected n, n and (n, n) with n at least 3"
        )
    finite = x.isfinite().all() and y.isfinite().all() and covariance.isfinite().all()
    if not finite or not (variances > 0).all() or x.max() == x.min():
        raise ValueError("expected finite points and values, two different x and positive errors")
    errors = variances.sqrt()
    root = torch.linalg.cholesky(_conditioned(covariance / (errors[:, None] * errors[None])))
    return (
        x,
        y,
        lambda values: torch.linalg.solve_triangular(root, values / errors[:, None], upper=False),
    )


def _fit(
    parameters: Tensor,
    design: Tensor,
    whiten: Callable[[Tensor], Tensor],
    y: Tensor,
    predicted: Tensor,
) -> Fit:
    chi2, degrees = float(whiten((y - predicted)[:, None]).square().sum()), len(y) - 2
    probability = fit_probability(chi2, degrees)
    variances = torch.linalg.pinv(design.T @ design).diagonal()
    if probability < HOLDS:
        variances = variances * chi2 / degrees
    slope, intercept = (
        Measured(float(value), math.sqrt(float(variance)))
        for value, variance in zip(parameters, variances, strict=True)
    )
    return Fit(slope, intercept, chi2, degrees, probability, predicted)


def _conditioned(correlation: Tensor) -> Tensor:
    eigenvalues = torch.linalg.eigvalsh(correlation)
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    # shrinking by s maps an eigenvalue e to (1 - s) e + s
    least = 0.01 * high
    share = 0.0 if low >= least else (least - low) / (1 - low + 0.01 * (high - 1))
    return (1 - share) * correlation + share * torch.eye(len(correlation)).double()
