"""Pairs of points of the bulk, one for each orbit: separation, levels, distance and its error."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.geometry.bulk import BulkInformation
from rgflow.analysis.geometry.cells import BulkCells
from rgflow.analysis.geometry.half_plane import HalfPlaneFit, fit_half_plane
from rgflow.analysis.geometry.windows import LEAST, SIGMAS

SCATTER = 0.1
"""What is added in quadrature to errors of ``ln I`` for the half plane, which knows no lattice."""


class OrbitPairs(NamedTuple):
    """One pair of cells for each orbit, of a pair and its exchange only one.

    Attributes:
        orbit: Number of the orbit, ``(n,)``.
        first: Level of the finer cell, ``(n,)``.
        second: Level of the coarser one, ``(n,)``.
        r: Distance of the two centres along the lattice, in lattice spacings, ``(n,)``.
        information: ``(n,)`` nats.
        error: Standard errors, ``(n,)``.
        pairs: Number of pairs in the orbit, ``(n,)``.
    """

    orbit: Tensor
    first: Tensor
    second: Tensor
    r: Tensor
    information: Tensor
    error: Tensor
    pairs: Tensor

    @property
    def is_significant(self) -> Tensor:
        """Whether the information is at least 4 standard errors, ``(n,)``."""
        return self.information > SIGMAS * self.error

    def chosen(self, mask: Tensor) -> OrbitPairs:
        """Some of the pairs."""
        return OrbitPairs(*(column[mask] for column in self))


def orbit_pairs(bulk: BulkInformation) -> OrbitPairs:
    """One pair for each orbit of pairs.

    Args:
        bulk: Informations of all pairs.
    """
    cells = bulk.cells
    count = len(cells.level)
    i, j = torch.triu_indices(count, count, 1)
    # cells come in the order of their levels: i is never the coarser one
    orbit = torch.minimum(bulk.orbits[i, j], bulk.orbits[j, i])
    one = torch.full((int(bulk.orbits.max()) + 1,), -1)
    one[orbit.flip(0)] = torch.arange(len(orbit)).flip(0)  # the first pair of each
    one = one[one >= 0]
    i, j, orbit = i[one], j[one], orbit[one]
    means = bulk.means
    return OrbitPairs(
        orbit,
        cells.level[i],
        cells.level[j],
        separations(cells)[i, j],
        means.information[orbit],
        means.error[orbit],
        means.pairs[orbit],
    )


def separations(cells: BulkCells) -> Tensor:
    """Distances of all centres along the periodic lattice, ``(n, n)``, in lattice spacings."""
    apart = (cells.centre[:, None] - cells.centre[None]).abs()
    return torch.minimum(apart, cells.side - apart).square().sum(-1).sqrt()


class HalfPlane(NamedTuple):
    """Distances of pairs of all levels and their fit by the half plane.

    The boundary has two dimensions, so that it is a half space; any two points lie in a plane.

    Attributes:
        pairs: The pairs that were fitted.
        distance: Their distances ``-xi ln I``, ``(n,)``.
        fit: Radius, depth of level 0 and offset.
        rms: Root mean square of what measured and fitted distances differ by.
    """

    pairs: OrbitPairs
    distance: Tensor
    fit: HalfPlaneFit
    rms: float


def half_plane(bulk: BulkInformation, xi: float = 1.0) -> HalfPlane | None:
    """Fits the half plane to all significant pairs whose places are at most L/4 apart.

    Pairs of touching cells of one level are left out, as in the windows of the laws. Errors get
    `SCATTER` in quadrature: distances depend on directions on the lattice, which are unknown to
    the continuum, by far more than the errors of strong informations.

    Args:
        bulk: Informations of all pairs, with errors.
        xi: The unit of length.

    Returns:
        The fit, or None for fewer than five such pairs of one level or of different ones.
    """
    pairs = orbit_pairs(bulk)
    size = 2.0 ** (pairs.first + 1)
    touches = (pairs.first == pairs.second) & (pairs.r < 1.5 * size)
    pairs = pairs.chosen(pairs.is_significant & ~touches & (pairs.r <= bulk.cells.side / 4))
    same = pairs.first == pairs.second
    if len(pairs.r) < LEAST + 2 or not same.any() or same.all():
        return None
    distance = -xi * pairs.information.log()
    error = xi * torch.hypot(
        pairs.error / pairs.information, torch.full_like(pairs.error, SCATTER)
    )
    fit = fit_half_plane(pairs.r, pairs.first, pairs.second, distance, error)
    rms = float((distance - fit.predicted).square().mean().sqrt())
    return HalfPlane(pairs, distance, fit, rms)


def distance_matrix(
    bulk: BulkInformation,
    chosen: Tensor,
    shift: float,
    *,
    xi: float = 1.0,
    drawn: Tensor | None = None,
) -> Tensor:
    """Distances ``-xi ln I - shift`` of some cells, NaN where the information is not significant.

    Args:
        bulk: Informations of all pairs, with errors.
        chosen: Indices of the cells, ``(n,)``.
        shift: The offset of a fit, which stands for ``xi ln(1 / I_0)``. Distances that it would
            make negative are 0.
        xi: The unit of length.
        drawn: Informations by orbit in place of the measured ones, such as those of a bootstrap
            sample; which ones are significant is told from the measured ones.

    Returns:
        ``(n, n)``, symmetric.
    """
    means = bulk.means
    known = means.information > SIGMAS * means.error
    values = means.information if drawn is None else drawn
    by_orbit = torch.where(known & (values > 0), values, torch.nan)
    orbits = bulk.orbits[chosen][:, chosen]
    distance = (-xi * by_orbit[orbits.clamp_min(0)].log() - shift).clamp_min(0.0)
    return ((distance + distance.T) / 2).fill_diagonal_(0.0)


def predicted_matrix(fit: HalfPlaneFit, cells: BulkCells, chosen: Tensor) -> Tensor:
    """Distances of some cells in the half space of a fit, ``(n, n)``, without its offset."""
    z = fit.depth.value * 2.0 ** cells.level[chosen].double()
    r = separations(cells)[chosen][:, chosen]
    squared = (r.square() + (z[:, None] - z[None]).square()) / (4 * z[:, None] * z[None])
    return 2 * fit.radius.value * squared.sqrt().asinh()


def slice_cells(cells: BulkCells, row: int = 0) -> Tensor:
    """Cells of all levels that hold pixels of one row: a bulk of one dimension and the scale.

    It is a plane but for the centres of coarser cells, which lie beside the row.

    Args:
        cells: The cells.
        row: Row of pixels.

    Returns:
        Indices, ``(n,)``: L/2 cells of level 0, L/4 of level 1, and so on.
    """
    return (cells.row == row >> (cells.level + 1)).nonzero().flatten()
