"""Straight lines through distances: against ln r, as in hyperbolic space, or r, as in flat one."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.statistics import Measured


class Fit(NamedTuple):
    """A weighted least-squares fit ``y = slope x + intercept``.

    Attributes:
        slope: With its standard error.
        intercept: With its standard error.
        chi2: ``(y - f)^T C^-1 (y - f)`` with the covariance C of the data.
        degrees: Number of data less two; chi2 is about as large for a law that holds.
        aic: Akaike's criterion, ``chi2 + 2 * 2``.
        predicted: Fitted values, ``(n,)``.
    """

    slope: Measured
    intercept: Measured
    chi2: float
    degrees: int
    aic: float
    predicted: Tensor


class LawComparison(NamedTuple):
    r"""Distances against r, by ``d = a ln r + b`` and by ``d = a r + b``.

    Attributes:
        logarithmic: Fit of the first law.
        linear: Fit of the second.
        preference: ``AIC(linear) - AIC(logarithmic)``, which is the difference of the chi2, as
            both laws have two parameters. The data are ``exp(preference / 2)`` times as likely
            under the best logarithm as under the best line, if errors are normal: above 10 the
            line is ruled out, below -10 the logarithm is, and near zero nothing is known.
    """

    logarithmic: Fit
    linear: Fit
    preference: float


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
    design = torch.stack((x, torch.ones_like(x)), 1) / errors[:, None]
    whitened = torch.linalg.solve_triangular(root, design, upper=False)
    target = torch.linalg.solve_triangular(root, (y / errors)[:, None], upper=False)
    spread = torch.linalg.inv(whitened.T @ whitened)
    parameters = (spread @ whitened.T @ target)[:, 0]
    chi2 = float((target[:, 0] - whitened @ parameters).square().sum())
    slope, intercept = (
        Measured(float(value), math.sqrt(float(variance)))
        for value, variance in zip(parameters, spread.diagonal(), strict=True)
    )
    predicted = parameters[0] * x + parameters[1]
    return Fit(slope, intercept, chi2, count - 2, chi2 + 4, predicted)


def compare_laws(r: Tensor, distance: Tensor, covariance: Tensor) -> LawComparison:
    r"""Fits distances by ``a ln r + b`` and by ``a r + b`` with the same weights.

    Args:
        r: Distances on the boundary, ``(n,)``, positive; see `chord_length` for periodic lattices.
        distance: Distances in the bulk, ``(n,)``.
        covariance: Their covariance ``(n, n)``, or their errors ``(n,)``.

    Raises:
        ValueError: As `fit_line`, or if an r is not positive.
    """
    if not (r > 0).all():
        raise ValueError(f"r: got {float(r.min())}, expected positive distances")
    logarithmic = fit_line(r.double().log(), distance, covariance)
    linear = fit_line(r, distance, covariance)
    return LawComparison(logarithmic, linear, linear.aic - logarithmic.aic)


def chord_length(r: Tensor, side: int) -> Tensor:
    r"""Distance across the circle into which a periodic lattice is rolled, ``L/pi sin(pi r/L)``.

    It is what r becomes in correlations of a massless theory on a circle of circumference L.

    Args:
        r: Distances along the lattice, 0 to L.
        side: L.
    """
    return side / math.pi * torch.sin(math.pi * r / side)


def _conditioned(correlation: Tensor) -> Tensor:
    eigenvalues = torch.linalg.eigvalsh(correlation)
    low, high = float(eigenvalues[0]), float(eigenvalues[-1])
    # shrinking by s maps an eigenvalue e to (1 - s) e + s
    least = 0.01 * high
    share = 0.0 if low >= least else (least - low) / (1 - low + 0.01 * (high - 1))
    return (1 - share) * correlation + share * torch.eye(len(correlation)).double()
