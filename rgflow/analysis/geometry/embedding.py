r"""Points of a hyperbolic or a flat plane whose distances come close to given ones.

In the hyperboloid model, points are ``X = (sqrt(1 + |u|^2), u)`` with u in the plane and
``cosh(d / R) = -<X, Y> = X0 Y0 - u.v``. No maintained package embeds distance matrices in
hyperbolic space, hence these lines: a start from eigenvectors of the matrix ``cosh(d / R)``
(arXiv:1903.08977), then least squares on the distances themselves.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.sparse.csgraph import shortest_path
from torch import Tensor

from rgflow.analysis.geometry.gromov import check_distances

_WIDE = 10.0
"""Radius over the largest distance at which a hyperbolic plane is nearly flat."""


class Embedding(NamedTuple):
    r"""Points whose distances are fitted to given ones.

    Attributes:
        points: ``(n, 2)``: in the flat plane, or in the Poincare disk of radius one.
        radius: Curvature radius R of the plane, in the unit of the distances; infinite if flat.
        distances: Distances of the points, ``(n, n)``.
        stress: ``sqrt(sum w (d - d_given)^2 / sum w d_given^2)`` over all pairs.
    """

    points: Tensor
    radius: float
    distances: Tensor
    stress: float


def hyperbolic_radius(distances: Tensor) -> float:
    r"""Curvature radius R of the hyperbolic plane into which distances fit best.

    For points of the plane, ``cosh(d / R)`` is a matrix of rank 3, of which two eigenvectors give
    the points. R minimises the squares of what their distances differ by from the given ones. For
    points of a flat plane the best R is much larger than the diameter; the search ends at 100
    times it.

    Args:
        distances: Symmetric ``(n, n)``, n at least 4.

    Raises:
        ValueError: If it is no matrix of distances.

    Reference: arXiv:1903.08977.
    """
    check_distances(distances, 4)
    given = distances.double()
    largest = float(given.max())

    def misfit(log_radius: float) -> float:
        radius = math.exp(log_radius)
        points = _hyperbolic_start(given, radius)
        return float((_distances(points[:, None], points[None], radius) - given).square().mean())

    grid = np.linspace(math.log(largest / 50), math.log(100 * largest), 61)
    best = int(np.argmin([misfit(one) for one in grid]))
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, 60)]
    solved = minimize_scalar(misfit, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return math.exp(solved.x)


def embed(
    distances: Tensor,
    radius: float | None = None,
    *,
    weights: Tensor | None = None,
    iterations: int = 500,
) -> Embedding:
    r"""Embeds distances in the plane of curvature radius R by weighted least squares.

    Args:
        distances: Symmetric ``(n, n)``; pairs that are not known are NaN.
        radius: R, ``math.inf`` for the flat plane (metric multidimensional scaling); if None, it
            is fitted together with the points, from several starts. One of them is the best flat
            embedding in a plane of large R, so that the stress is not above that of the flat one.
        weights: ``(n, n)``, such as one over the squares of errors; equal ones if None.
        iterations: Steps of the minimiser, at most.

    Raises:
        ValueError: If it is no matrix of distances, the known pairs do not connect all points, or
            the radius is not positive.

    Reference: arXiv:1903.08977 (start).
    """
    if radius is not None and not radius > 0:
        raise ValueError(f"radius: got {radius}, expected a positive number or none")
    given = distances.double().cpu().clone()
    given.fill_diagonal_(0.0)
    known = given.isfinite()
    # a pair that is not known starts from the shortest path over pairs that are
    graph = torch.where(known, given.clamp_min(1e-12), 0.0).fill_diagonal_(0.0)
    filled = torch.from_numpy(shortest_path(graph.numpy(), directed=False))
    if not filled.isfinite().all():
        raise ValueError("distances: got pairs that do not connect all points, expected a path")
    check_distances(filled, 4)
    weight = known.double() if weights is None else torch.where(known, weights.double().cpu(), 0.0)
    first, second = torch.triu_indices(len(given), len(given), 1)
    pairs = weight[first, second] > 0
    first, second = first[pairs], second[pairs]
    target, weight = given[first, second], weight[first, second]
    scale = float((weight * target.square()).sum())
    fits_radius = radius is None

    def solved(start: Tensor, unit: float) -> Embedding:
        def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
            free = torch.from_numpy(values).requires_grad_()
            with torch.enable_grad():
                points = free[: start.numel()].view_as(start)
                r = free[-1].exp() if fits_radius else unit
                got = _distances(points[first], points[second], r)
                stress = (weight * (got - target).square()).sum() / scale
                (slope,) = torch.autograd.grad(stress, free)
            return float(stress.detach()), slope.numpy()

        unknowns = torch.cat((start.flatten(), torch.tensor([math.log(unit)] * fits_radius)))
        options = {"maxiter": iterations, "ftol": 1e-14, "gtol": 1e-10}
        found = minimize(
            loss, unknowns.double().numpy(), jac=True, method="L-BFGS-B", options=options
        )
        values = torch.from_numpy(found.x)
        points = values[: start.numel()].view_as(start)
        final = math.exp(float(values[-1])) if fits_radius else unit
        got = _distances(points[:, None], points[None], final).fill_diagonal_(0.0)
        shown = points if math.isinf(unit) else points / (1 + _height(points))[..., None]
        return Embedding(shown, final, got, math.sqrt(float(found.fun)))

    if radius is not None:
        start = _flat_start(filled) if math.isinf(radius) else _hyperbolic_start(filled, radius)
        return solved(start, radius)
    largest = float(filled.max())
    wide = _WIDE * largest
    flat = embed(distances, math.inf, weights=weights, iterations=iterations).points / wide
    starts = [(_hyperbolic_start(filled, r), r) for r in (hyperbolic_radius(filled), largest / 4)]
    return min((solved(*one) for one in [(flat, wide), *starts]), key=lambda e: e.stress)


def _height(u: Tensor) -> Tensor:
    return (1 + u.square().sum(-1)).sqrt()


def _distances(u: Tensor, v: Tensor, radius: Tensor | float) -> Tensor:
    """Distances of points of the flat plane, or of the hyperboloid if R is finite."""
    if not isinstance(radius, Tensor) and math.isinf(radius):
        return ((u - v).square().sum(-1) + 1e-24).sqrt()
    # 4 sinh^2(d / 2R) = <X - Y, X - Y>, which keeps its digits at short distances
    heights = (u.square().sum(-1) - v.square().sum(-1)) / (_height(u) + _height(v))
    squared = (u - v).square().sum(-1) - heights.square()
    return 2 * radius * ((squared.clamp_min(0.0) + 1e-24).sqrt() / 2).asinh()


def _flat_start(distances: Tensor) -> Tensor:
    """Classical scaling: the two leading eigenvectors of the centred squares, ``(n, 2)``."""
    squares = distances.square()
    centred = squares - squares.mean(0) - squares.mean(1, keepdim=True) + squares.mean()
    values, vectors = torch.linalg.eigh(-centred / 2)
    return vectors[:, -2:] * values[-2:].clamp_min(1e-12).sqrt()


def _hyperbolic_start(distances: Tensor, radius: float) -> Tensor:
    """The two lowest eigenvectors of ``cosh(d / R)``, ``(n, 2)``, as arXiv:1903.08977 has it."""
    scaled = distances / radius
    # exponentials of long distances would leave no digits for the others
    values, vectors = torch.linalg.eigh(torch.cosh(scaled.clamp_max(30.0)))
    return vectors[:, :2] * (-values[:2]).clamp_min(1e-12).sqrt()
