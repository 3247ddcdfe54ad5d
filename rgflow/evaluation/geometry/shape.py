"""What the distances of one bulk look like: a half plane, a disk, triangles, Gromov's delta."""

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
    angle_sums,
    distance_matrix,
    embed,
    gromov_delta,
    half_plane,
    predicted_matrix,
    slice_cells,
)

DRAWS = 20  # bootstrap samples for errors of deltas and angles
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
        delta_predicted: The same of the distances of the fitted half plane; NaN without one.
        delta_flat: The same of the best embedding in a flat plane.
        angles: Mean sum of the angles of triangles over pi, in a plane of the fitted radius, or
            of that of the disk, and its spread over bootstrap samples.
        triangles: Number of triangles.
        curved: Embedding in the hyperbolic plane whose radius fits best.
        flat: Embedding in the flat plane.
    """

    plane: HalfPlane | None
    cells: Tensor
    delta: tuple[float, float]
    delta_predicted: float
    delta_flat: float
    angles: tuple[float, float]
    triangles: int
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
    if len(chosen) < LEAST:
        return None
    try:
        delta = _mean_delta(distances, known)
    except ValueError:  # there are no four cells whose distances are all known
        return None
    curved, flat = embed(distances), embed(distances, math.inf)
    radius = curved.radius if plane is None else plane.fit.radius.value
    delta_predicted = math.nan
    if plane is not None:
        predicted = predicted_matrix(plane.fit, bulk.cells, chosen)
        delta_predicted = _mean_delta(predicted, known)
    triangles = _triangles(known)
    drawn = [
        torch.where(known, distance_matrix(bulk, chosen, shift, drawn=one), 0.0).nan_to_num(0.0)
        for one in _drawn(bulk)
    ]
    deltas = torch.tensor([_mean_delta(one, known) for one in drawn])
    angles = torch.tensor([_mean_angles(one, triangles, radius) for one in drawn])
    return Space(
        plane,
        chosen,
        (delta, float(deltas.std())),
        delta_predicted,
        _mean_delta(flat.distances, known),
        (_mean_angles(distances, triangles, radius), float(angles.std())),
        len(triangles),
        curved,
        flat,
    )


def _within_scales(plane: HalfPlane | None, side: int) -> HalfPlane | None:
    """The fit, unless it ran away: then distances say nothing of its parameters."""
    if plane is None or not plane.fit.radius.value > 0:
        return None
    return plane if 1 / side < plane.fit.depth.value < side else None


def _mean_delta(distances: Tensor, known: Tensor) -> float:
    return gromov_delta(torch.where(known, distances, torch.nan)).mean


def _largest_part(distances: Tensor) -> Tensor:
    """Indices of the largest set of points that known distances connect."""
    _, label = connected_components(distances.isfinite().numpy(), directed=False)
    label = torch.from_numpy(label).long()
    return (label == label.bincount().argmax()).nonzero().flatten()


def _triangles(known: Tensor) -> Tensor:
    every = torch.combinations(torch.arange(len(known)), 3)
    a, b, c = every.T
    return every[known[a, b] & known[b, c] & known[a, c]]


def _mean_angles(distances: Tensor, triangles: Tensor, radius: float) -> float:
    """Mean over triangles whose sides keep the triangle inequality, over pi."""
    filled = distances.nan_to_num(0.0)
    return float(angle_sums(filled, triangles, radius).nanmean()) / math.pi


def _drawn(bulk: BulkInformation) -> list[Tensor]:
    means = bulk.means
    return [row - means.baseline for row in means.drawn[:DRAWS]]
