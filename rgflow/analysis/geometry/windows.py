r"""The laws of distance in windows that are fixed before anything is fitted.

Along the boundary the window is r = 2 to n/4 cells of a level with n cells aside, but at least
r = 2, 3, 4, and it ends before the first information of less than 4 standard errors. Neighbouring
cells (r = 1) touch; beyond n/4 the two ways round the periodic lattice come into play. The law is
fitted with the plain r, and with the chord ``n/pi sin(pi r/n)`` that takes its place in the
correlations of a massless field on a ring. Along the scale direction the window begins 2
levels up where that leaves three levels (a cell touches the one that holds it), and at the next
level on smaller lattices; it ends before the first information of less than 4 standard errors.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from rgflow.analysis.geometry.bulk import BulkInformation, Profile, along_boundary, along_scale
from rgflow.analysis.geometry.distance import BulkDistance
from rgflow.analysis.geometry.laws import (
    Fit,
    LawComparison,
    chord_length,
    compare_laws,
    fit_line,
)

FIRST = 2
"""Where the window along the boundary begins, in cells."""
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
        plain: Both laws with the plain r; None without a window.
        chord: Both laws with chords in place of r.
    """

    level: int
    cells: int
    step: Tensor
    distance: BulkDistance
    window: tuple[int, int] | None
    plain: LawComparison | None
    chord: LawComparison | None


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
    profile = along_boundary(bulk, level)
    cells = bulk.cells.per_side(level)
    known = _significant(profile)
    distance = known.distance(xi)
    chosen = boundary_window(cells, len(known.step))
    found = [int(known.step[chosen][i]) for i in (0, -1)] if chosen else None
    plain = chord = None
    if chosen:
        data = distance.distance[chosen], distance.covariance[chosen, chosen]
        step = known.step[chosen].double()
        plain = compare_laws(step, *data)
        chord = compare_laws(chord_length(step, cells), *data)
    return BoundaryLaws(
        level, cells, known.step, distance, tuple(found) if found else None, plain, chord
    )


def boundary_window(cells: int, significant: int) -> slice | None:
    """The window in an array of r = 1, 2, ...; None where it has fewer than three points.

    Args:
        cells: Number of cells aside, n.
        significant: Number of leading r whose information is significant.

    >>> boundary_window(32, 16), boundary_window(8, 4), boundary_window(32, 3)
    (slice(1, 8, None), slice(1, 4, None), None)
    """
    last = min(max(cells // 4, FIRST + LEAST - 1), cells // 2, significant)
    return slice(FIRST - 1, last) if last >= FIRST + LEAST - 1 else None


def scale_law(bulk: BulkInformation, level: int, xi: float = 1.0) -> ScaleLaw:
    """Distances along the scale direction at a fixed position, and their line.

    Args:
        bulk: Informations of all pairs, with errors.
        level: The finer level, below the last one.
        xi: The unit of length.

    Raises:
        ValueError: If there is no coarser level.
    """
    profile = _significant(along_scale(bulk, level))
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


def radius_per_level(law: ScaleLaw) -> Tensor:
    """Curvature radii from each level to the next, ``(k - 1,)``: increments over ln 2."""
    return law.distance.distance.diff() / math.log(2)


def _significant(profile: Profile) -> Profile:
    return profile.significant(SIGMAS)
