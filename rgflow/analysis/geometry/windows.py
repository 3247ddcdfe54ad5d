r"""The laws of distance, and the windows in which they are fitted.

Along the boundary the window begins at r = 2 cells, as neighbouring cells touch, and ends at n/2
of a level with n cells aside, or before the first information of less than 4 standard errors. Both
laws know of the periodic image, see `rgflow.analysis.geometry.laws`. The logarithm is preferred
only in a window that reaches n/2: informations of a gapped field fall off like a power over the
short distances that are left where its far ones are not resolved. Along the scale direction the
window begins 2 levels up where that leaves three levels (a cell touches the one that holds it),
and at the next level on smaller lattices; it ends before the first information of less than 4
standard errors.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from rgflow.analysis.geometry.bulk import BulkInformation, along_boundary, along_scale
from rgflow.analysis.geometry.distance import BulkDistance
from rgflow.analysis.geometry.laws import Fit, LawComparison, compare_laws, fit_line

FIRST = 2
"""Where a window begins, in cells or levels."""
LEAST = 3
"""Points that a fit of two parameters takes at least."""
SIGMAS = 4.0
"""Standard errors that an information must have, to have a distance that can be fitted."""


class BoundaryLaws(NamedTuple):
    """Distances along the boundary at one level, with both laws.

    Attributes:
        level: The level.
        cells: Number of cells aside, n.
        step: All distances r from 1 on whose information is significant, ``(k,)`` cells.
        distance: Distances ``-xi ln I`` there.
        window: First and last r of the fits, or None where there are fewer than three.
        laws: Both laws; None without a window.
    """

    level: int
    cells: int
    step: Tensor
    distance: BulkDistance
    window: tuple[int, int] | None
    laws: LawComparison | None


class ScaleLaw(NamedTuple):
    """Distances between a cell and the coarser ones that hold it.

    Attributes:
        level: The finer level.
        step: Numbers of levels in between whose information is significant, ``(k,)``.
        distance: Distances ``-xi ln I`` there.
        window: First and last number of levels of the fit; None where there are fewer than three.
        fit: ``d = c n + b``; None without a window.
    """

    level: int
    step: Tensor
    distance: BulkDistance
    window: tuple[int, int] | None
    fit: Fit | None


def boundary_laws(bulk: BulkInformation, level: int, xi: float = 1.0) -> BoundaryLaws:
    """Distances along the boundary, and both laws in the window of this module.

    Args:
        bulk: Informations of all pairs, with errors.
        level: The level, with at least 2 cells along an axis.
        xi: The unit of length.

    Raises:
        ValueError: If the level has fewer cells.
    """
    known = along_boundary(bulk, level).significant(SIGMAS)
    cells, last = bulk.cells.per_side(level), len(known.step)
    distance = known.distance(xi)
    if last < FIRST + LEAST - 1:
        return BoundaryLaws(level, cells, known.step, distance, None, None)
    chosen = slice(FIRST - 1, last)
    data = distance.distance[chosen], distance.covariance[chosen, chosen]
    laws = compare_laws(known.step[chosen], *data, side=cells)
    if laws.verdict == "logarithm" and last < cells // 2:
        laws = laws._replace(verdict="undecided")
    return BoundaryLaws(level, cells, known.step, distance, (FIRST, last), laws)


def scale_law(bulk: BulkInformation, level: int, xi: float = 1.0) -> ScaleLaw:
    """Distances along the scale direction at a fixed position, and their line.

    Args:
        bulk: Informations of all pairs, with errors.
        level: The finer level, below the last one.
        xi: The unit of length.

    Raises:
        ValueError: If there is no coarser level.
    """
    profile = along_scale(bulk, level).significant(SIGMAS)
    distance = profile.distance(xi)
    levels = int(bulk.cells.level.max()) - level
    first = FIRST if levels >= FIRST + LEAST - 1 else 1
    last = len(profile.step)
    if last < first + LEAST - 1:
        return ScaleLaw(level, profile.step, distance, None, None)
    chosen = slice(first - 1, last)
    data = distance.distance[chosen], distance.covariance[chosen, chosen]
    fit = fit_line(profile.step[chosen], *data)
    return ScaleLaw(level, profile.step, distance, (first, last), fit)
