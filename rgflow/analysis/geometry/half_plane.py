r"""The half plane with the metric ``ds^2 = R^2 (dx^2 + dz^2) / z^2``, in which latents are placed.

A latent of level h at the place x of the lattice stands at ``z ~ 2^h``. The distance of two points
is ``d = 2 R arsinh(sqrt((dx^2 + dz^2) / (4 z z')))``. Two limits follow, each of which gives R:

* at one level, far apart, ``r >> z``: ``d = 2 R ln(r / z)``. The slope of d against ln r is 2 R.
* at one place, n levels apart: ``d = R ln(z' / z) = R n ln 2``. The slope per level is R ln 2.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from scipy.optimize import OptimizeResult, least_squares
from torch import Tensor

from rgflow.analysis.geometry.laws import HOLDS, Fit, fit_probability
from rgflow.statistics import Measured


def half_plane_distances(x: Tensor, z: Tensor, radius: float = 1.0) -> Tensor:
    r"""Geodesic distances of points ``(x, z)``, ``2 R arsinh(sqrt((dx^2 + dz^2) / (4 z z')))``.

    Args:
        x: Places along the boundary, ``(n,)`` or ``(n, dimensions)``.
        z: Depths, ``(n,)``, positive.
        radius: Curvature radius R.

    Returns:
        ``(n, n)``.

    Raises:
        ValueError: If a depth is not positive.

    >>> half_plane_distances(torch.zeros(2), torch.tensor([1.0, 2.0]))[0, 1]  # ln 2
    tensor(0.6931)
    """
    if not (z > 0).all():
        raise ValueError(f"z: got depths from {float(z.min())} on, expected positive ones")
    x = x.view(len(z), -1)
    squared = (x[:, None] - x[None]).square().sum(-1) + (z[:, None] - z[None]).square()
    return 2 * radius * (squared / (4 * z[:, None] * z[None])).sqrt().asinh()


class CurvatureRadii(NamedTuple):
    """Curvature radius R from the two directions, in the unit of the distances that were fitted.

    Attributes:
        along_boundary: Half the slope against ln r.
        along_scale: The slope per level over ln 2.
        ratio: The first over the second: 1 in the half plane.
    """

    along_boundary: Measured
    along_scale: Measured
    ratio: Measured


def curvature_radii(boundary: Fit, scale: Fit) -> CurvatureRadii:
    r"""Curvature radius from ``d ~ a ln r + b`` and ``d ~ c n + b'``: ``a / 2`` and ``c / ln 2``.

    Errors of the two fits are taken as independent. They have the unit of the distances; see
    `HalfPlaneFit.radius_in_cells` for units of the lattice.

    Args:
        boundary: Fit of distances at one level against the logarithm of r.
        scale: Fit of distances at one place against the number of levels between them.
    """
    first = Measured(boundary.slope.value / 2, boundary.slope.error / 2)
    second = Measured(scale.slope.value / math.log(2), scale.slope.error / math.log(2))
    ratio = first.value / second.value
    relative = math.hypot(first.error / first.value, second.error / second.value)
    return CurvatureRadii(first, second, Measured(ratio, abs(ratio) * relative))


class HalfPlaneFit(NamedTuple):
    """Distances fitted by those of the half plane, with errors from the fit.

    Attributes:
        radius: R, in the unit of the distances.
        depth: z of level 0, in lattice spacings; level h stands at ``2^h`` times that.
        offset: What is added to all distances: it stands for an I0 that is not known.
        radius_in_cells: R over the distance of neighbouring cells of one level, whose centres are
            ``2 2^h`` sites apart: ``1 / (2 arsinh(1 / depth))``.
        chi2: Sum of the squares of the residuals over their errors. Where it has a probability of
            less than 1 percent, errors of all parameters are multiplied by
            ``sqrt(chi2 / degrees)``.
        degrees: Number of distances less three.
        probability: That of a chi2 as large as this one or larger, for a law that holds.
        flat_chi2: chi2 of the best ``offset + sqrt(a^2 r^2 + c^2 n^2)`` for n levels in between, a
            flat space with as many parameters.
        predicted: Distances of the fit, ``(n,)``.
    """

    radius: Measured
    depth: Measured
    offset: Measured
    radius_in_cells: Measured
    chi2: float
    degrees: int
    probability: float
    flat_chi2: float
    predicted: Tensor

    @property
    def holds(self) -> bool:
        """Whether the probability is at least 1 percent."""
        return self.probability >= HOLDS


def fit_half_plane(
    r: Tensor, first: Tensor, second: Tensor, distance: Tensor, error: Tensor
) -> HalfPlaneFit:
    r"""Fits R, the depth of level 0 and an offset to distances between latents of all levels.

    ``d = offset + 2 R arsinh(sqrt((r^2 + dz^2) / (4 z z')))`` with ``z = depth 2^level``.

    Args:
        r: Distances of the places, in lattice spacings, ``(n,)``.
        first: Levels of the first latents, ``(n,)``.
        second: Levels of the second latents, ``(n,)``.
        distance: Measured distances, ``(n,)``, finite.
        error: Their standard errors, ``(n,)``, positive.

    Raises:
        ValueError: If there are fewer than four distances, or numbers that are not finite.
    """
    given = [t.double().cpu() for t in (r, first, second, distance, error)]
    if len(given[0]) < 4 or not all(t.isfinite().all() for t in given):
        raise ValueError(f"got {len(given[0])} distances, expected at least 4, all finite")
    r, first, second, distance, error = given

    def predicted(parameters: Tensor) -> Tensor:
        radius, depth, offset = parameters[0], parameters[1].exp(), parameters[2]
        z, other = depth * 2**first, depth * 2**second
        squared = (r.square() + (z - other).square()) / (4 * z * other)
        return offset + 2 * radius * squared.sqrt().asinh()

    def flat(parameters: Tensor) -> Tensor:
        along, across, offset = parameters
        return offset + torch.hypot(along * r, across * (second - first))

    def solved_by(law: Callable[[Tensor], Tensor], start: list[float]) -> OptimizeResult:
        def residuals(parameters: object) -> object:
            p = torch.as_tensor(parameters, dtype=torch.float64)
            return ((law(p) - distance) / error).numpy()

        return least_squares(residuals, start, x_scale="jac", max_nfev=2000)

    least, width = float(distance.min()), float(distance.max() - distance.min()) + 1e-3
    solved = solved_by(predicted, [width / 4, 0.0, least])
    straight = solved_by(flat, [width / float(r.max().clamp_min(1)), 1.0, least])
    chi2, degrees = 2 * float(solved.cost), len(r) - 3
    probability = fit_probability(chi2, degrees)
    jacobian = torch.from_numpy(solved.jac)
    scale = 1.0 if probability >= HOLDS else math.sqrt(chi2 / degrees)
    spread = (scale * torch.linalg.pinv(jacobian.T @ jacobian).diagonal().sqrt()).tolist()
    radius, log_depth, offset = solved.x.tolist()
    depth = math.exp(max(-200.0, min(200.0, log_depth)))  # one that ran away stays a number
    in_cells = 1 / (2 * math.asinh(1 / depth))
    # d ln R_cells / d ln depth
    growth = 2 * in_cells / math.sqrt(1 + depth**2)
    return HalfPlaneFit(
        Measured(radius, spread[0]),
        Measured(depth, depth * spread[1]),
        Measured(offset, spread[2]),
        Measured(in_cells, in_cells * growth * spread[1]),
        chi2,
        degrees,
        probability,
        2 * float(straight.cost),
        predicted(torch.as_tensor(solved.x)),
    )
