"""How hyperbolic a set of distances is: Gromov's four-point condition."""

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
    m = distances.double()
    sets = known_fours(m, quadruples, seed)
    if not len(sets):
        raise ValueError(
            "distances: got no four points whose distances are all known, expected some"
        )
    a, b, c, d = sets.T
    sums = torch.stack((m[a, b] + m[c, d], m[a, c] + m[b, d], m[a, d] + m[b, c])).sort(0).values
    deltas = (sums[2] - sums[1]) / 2
    delta = float(deltas.max())
    return Hyperbolicity(
        delta, float(deltas.mean()), 2 * delta / float(m.nan_to_num().max()), len(sets)
    )


def known_fours(distances: Tensor, quadruples: int = 200_000, seed: int = 0) -> Tensor:
    """Sets of four points whose distances are all known, ``(m, 4)``, as `gromov_delta` takes them.

    Args:
        distances: ``(n, n)``; pairs that are not known are NaN.
        quadruples: Number of random sets that are looked at, for more than 48 points.
        seed: Seed of the random sets.
    """
    count = len(distances)
    if count <= _ALL:
        sets = torch.combinations(torch.arange(count), 4)
    else:
        generator = torch.Generator().manual_seed(seed)
        sets = torch.randint(count, (quadruples, 4), generator=generator)
        ordered = sets.sort(1).values
        sets = sets[(ordered[:, 1:] != ordered[:, :-1]).all(1)]
    within = distances[sets[:, :, None], sets[:, None, :]]  # (sets, 4, 4)
    return sets[within.isfinite().flatten(1).all(1)]


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
            "distances: got another matrix, expected a symmetric one of finite numbers, zero on "
            "its diagonal and not negative elsewhere"
        )
