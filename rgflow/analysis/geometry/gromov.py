"""How hyperbolic a set of distances is: Gromov's four-point condition, and triangles."""

import math
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.runtime.counts import takes_counts

_ALL = 48
"""Up to this many points, all sets of four are looked at: 194,580 for 48."""


class Hyperbolicity(NamedTuple):
    r"""Gromov's delta of a distance matrix.

    Attributes:
        delta: The largest, over sets of four points, of half the difference between the largest
            two of ``d12 + d34``, ``d13 + d24``, ``d14 + d23``. It is 0 for a tree, at most
            ``R ln 2`` in a hyperbolic plane of radius R, and grows with the size of a flat figure.
        mean: The mean over sets of four points, which depends less on errors of single distances.
        relative: ``2 delta / diameter``, between 0 and 1 for any metric: 0 for a tree; ``2 -
            sqrt 2 = 0.586`` for a flat square; small for a figure much larger than R.
        quadruples: Number of sets of four points that were looked at.
    """

    delta: float
    mean: float
    relative: float
    quadruples: int


@takes_counts
def gromov_delta(distances: Tensor, quadruples: int = 200_000, seed: int = 0) -> Hyperbolicity:
    r"""Gromov's delta of a distance matrix, by the four-point condition.

    Args:
        distances: Symmetric ``(n, n)`` with zeros on the diagonal, n at least 4. Pairs that are
            not known are NaN; sets of four points with one of them are left out.
        quadruples: Random sets of four points to look at where there are more than 48 points; all
            are looked at otherwise.
        seed: Seed of the random sets.

    Raises:
        ValueError: If the matrix is not symmetric, finite and zero on its diagonal, or too small,
            or no set of four points is known.

    Reference: M. Gromov, Hyperbolic groups (1987); the value ln 2 of the hyperbolic plane:
    B. Nica and J. Spakula, Groups Geom. Dyn. 10 (2016) 951.

    >>> line = torch.arange(5.0)
    >>> gromov_delta((line[:, None] - line).abs()).delta
    0.0
    """
    unknown = distances.isnan()
    check_distances(torch.where(unknown & unknown.T, 0.0, distances), 4)
    count = len(distances)
    if count <= _ALL:
        sets = torch.tensor(list(combinations(range(count), 4)))
    else:
        generator = torch.Generator().manual_seed(seed)
        sets = torch.randint(count, (quadruples, 4), generator=generator)
        ordered = sets.sort(1).values
        sets = sets[(ordered[:, 1:] != ordered[:, :-1]).all(1)]
    m = distances.double()
    within = m[sets[:, :, None], sets[:, None, :]]  # (sets, 4, 4)
    sets = sets[within.isfinite().flatten(1).all(1)]
    if not len(sets):
        raise ValueError("distances: got no four points whose distances are all known")
    a, b, c, d = sets.T
    sums = torch.stack((m[a, b] + m[c, d], m[a, c] + m[b, d], m[a, d] + m[b, c])).sort(0).values
    deltas = (sums[2] - sums[1]) / 2
    delta = float(deltas.max())
    return Hyperbolicity(
        delta, float(deltas.mean()), 2 * delta / float(m.nan_to_num().max()), len(sets)
    )


def angle_sums(distances: Tensor, triangles: Tensor, radius: float = math.inf) -> Tensor:
    r"""Sums of the angles of geodesic triangles with given sides, in a plane of radius R.

    The hyperbolic law of cosines, ``cos A = (cosh b cosh c - cosh a) / (sinh b sinh c)`` with
    sides in units of R, gives the angles. Their sum is pi in flat space, and less by the area over
    ``R^2`` in a hyperbolic plane. R comes from elsewhere, such as `hyperbolic_radius`: three
    distances alone fit into a plane of any curvature.

    Args:
        distances: ``(n, n)``.
        triangles: Indices of corners, ``(m, 3)`` int64.
        radius: R; infinite for the flat plane.

    Returns:
        ``(m,)``, radians; NaN where sides break the triangle inequality.

    Raises:
        ValueError: As `gromov_delta`, or if the radius is not positive.

    >>> flat = torch.tensor([[0.0, 3.0, 4.0], [3.0, 0.0, 5.0], [4.0, 5.0, 0.0]])
    >>> angle_sums(flat, torch.tensor([[0, 1, 2]])).item() / torch.pi
    1.0
    """
    check_distances(distances, 3)
    if not radius > 0:
        raise ValueError(f"radius: got {radius}, expected a positive number")
    a, b, c = triangles.T
    m = distances.double()
    sides = torch.stack((m[b, c], m[c, a], m[a, b]))
    total = torch.zeros(len(triangles), dtype=torch.float64)
    for opposite, left, right in (sides, sides.roll(1, 0), sides.roll(2, 0)):
        if math.isinf(radius):
            cosine = (left**2 + right**2 - opposite**2) / (2 * left * right)
        else:
            p, q, o = (side / radius for side in (left, right, opposite))
            # cosh p cosh q - cosh o, without the overflow of long sides
            cosine = 1 - 2 * torch.exp(
                _log_sinh((o + p - q) / 2)
                + _log_sinh((o - p + q) / 2)
                - _log_sinh(p)
                - _log_sinh(q)
            )
        total = total + torch.acos(cosine)
    return total


def check_distances(distances: Tensor, least: int) -> None:
    """Refuses what is no matrix of distances.

    Raises:
        ValueError: If it is not symmetric, finite, not negative, zero on its diagonal, and of at
            least `least` points.
    """
    is_square = distances.dim() == 2 and distances.shape[0] == distances.shape[1]
    if not is_square or len(distances) < least:
        raise ValueError(
            f"distances: got shape {tuple(distances.shape)}, expected (n, n) with n at least "
            f"{least}"
        )
    scale = float(distances.abs().max())
    if not (
        distances.isfinite().all()
        and (distances >= 0).all()
        and (distances - distances.T).abs().max() <= 1e-6 * scale
        and distances.diagonal().abs().max() <= 1e-6 * scale
    ):
        raise ValueError(
            "distances: expected a symmetric matrix of finite numbers, zero on its diagonal and "
            "not negative elsewhere"
        )


def _log_sinh(x: Tensor) -> Tensor:
    return x + torch.log(-torch.expm1(-2 * x)) - math.log(2)
