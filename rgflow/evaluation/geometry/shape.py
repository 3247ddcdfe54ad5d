"""What the distances of one bulk look like: a half space, a disk, Gromov's delta."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from rgflow.analysis.geometry import (
    BulkInformation,
    Embedding,
    HalfPlane,
    distance_matrix,
    embed,
    gromov_delta,
    half_plane,
    known_fours,
    predicted_matrix,
    slice_cells,
)

DRAWS = 20  # bootstrap samples for the error of delta
FLAT = 5.0  # radius over the largest distance beyond which a plane is as good as flat
NO_BETTER = 0.98  # stress over that of the flat plane from which the curved one is no better
LEAST = 5  # cells of an embedding


class Space(NamedTuple):
    """What the distances of one source look like.

    Attributes:
        plane: Fit of the half plane; None where its radius is not positive, or its depth beyond
            all scales of the lattice.
        cells: Cells of one row of pixels that known distances connect, ``(n,)``.
        delta: Gromov's mean delta of their distances, and its spread over bootstrap samples.
        delta_predicted: The same of the distances of the fitted half plane; None without one.
        delta_flat: The same of the best embedding in a flat plane.
        curved: Embedding in the hyperbolic plane whose radius fits best.
        flat: Embedding in the flat plane.
    """

    plane: HalfPlane | None
    cells: Tensor
    delta: tuple[float, float]
    delta_predicted: float | None
    delta_flat: float
    curved: Embedding
    flat: Embedding

    @property
    def is_flat(self) -> bool:
        """Whether no curved plane was found that fits better than the flat one, by 2 percent."""
        is_wide = self.curved.radius > FLAT * float(self.flat.distances.max())
        return is_wide or self.curved.stress > NO_BETTER * self.flat.stress


def space_of(bulk: BulkInformation) -> Space | None:
    """Fits and embeds the bulk; None where too few distances are known."""
    plane = _within_scales(half_plane(bulk), bulk.cells.side)
    chosen = slice_cells(bulk.cells)
    largest = bulk.means.information.max().clamp_min(torch.finfo(torch.float64).tiny)
    # without a fit, the least distance of all is zero
    shift = -float(largest.log()) if plane is None else plane.fit.offset.value
    distances = distance_matrix(bulk, chosen, shift)
    connected = _largest_part(distances)
    chosen, distances = chosen[connected], distances[connected][:, connected]
    known = distances.isfinite()
    if len(chosen) < LEAST or not len(known_fours(distances)):
        return None
    drawn = [distance_matrix(bulk, chosen, shift, drawn=one) for one in _drawn(bulk)]
    # a weak information may be drawn as none, and has no distance then
    deltas = [gromov_delta(one).mean for one in drawn if len(known_fours(one))]
    predicted = None
    if plane is not None:
        matrix = predicted_matrix(plane.fit, bulk.cells, chosen)
        predicted = gromov_delta(torch.where(known, matrix, torch.nan)).mean
    curved, flat = embed(distances), embed(distances, math.inf)
    return Space(
        plane,
        chosen,
        (gromov_delta(distances).mean, float(torch.tensor(deltas).std())),
        predicted,
        gromov_delta(torch.where(known, flat.distances, torch.nan)).mean,
        curved,
        flat,
    )


def _within_scales(plane: HalfPlane | None, side: int) -> HalfPlane | None:
    """The fit, unless it ran away: then distances say nothing of its parameters."""
    if plane is None or not plane.fit.radius.value > 0:
        return None
    return plane if 1 / side < plane.fit.depth.value < side else None


def _largest_part(distances: Tensor) -> Tensor:
    """Indices of the largest set of points that known distances connect."""
    _, label = connected_components(distances.isfinite().numpy(), directed=False)
    label = torch.from_numpy(label).long()
    return (label == label.bincount().argmax()).nonzero().flatten()


def _drawn(bulk: BulkInformation) -> Tensor:
    """Informations of some bootstrap samples, whose mean is that of the measured ones.

    Drawn informations have the bias of drawn noise beside that of the measured one.
    """
    means = bulk.means
    return means.information + (means.drawn - means.drawn.mean(0))[:DRAWS]
