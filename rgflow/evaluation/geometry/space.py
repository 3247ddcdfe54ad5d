"""Part of the geometry: the bulk as a whole, as a half plane, a disk, and a set of triangles."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any, NamedTuple

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
from rgflow.evaluation.geometry.bulks import Bulks
from rgflow.evaluation.geometry.laws import UNIT
from rgflow.evaluation.study.setting import Findings
from rgflow.evaluation.summary import shown
from rgflow.plotting.bulk import embedding_figure, half_plane_figure
from rgflow.plotting.page import Section, Table
from rgflow.runtime.json_text import plain
from rgflow.runtime.progress import progress

DRAWS = 20  # bootstrap samples for errors of deltas and angles
FLAT = 5.0  # radius over the largest distance beyond which a plane is as good as flat
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
        """Whether no curved plane was found that fits better than the flat one."""
        is_wide = self.curved.radius > FLAT * float(self.flat.distances.max())
        return is_wide or self.curved.stress >= self.flat.stress


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


def space(bulks: Bulks) -> Findings:
    """The half plane, its disk, triangles and Gromov's delta."""
    found = {
        name: space_of(source.bulk)
        for name, source in progress(list(bulks.sources.items()), "embeddings")
    }
    known = {name: one for name, one in found.items() if one is not None}
    text = [
        "All significant distances between cells at most L/4 apart, of one level or of two, are "
        "fitted by d = offset + 2 R arsinh(sqrt((r^2 + dz^2) / (4 z z'))), the distance in the "
        "half plane ds^2 = R^2 (dx^2 + dz^2) / z^2, with z = depth 2^level. Errors get 0.1 in "
        "quadrature, as distances depend on directions on the lattice; rms is by how much the "
        "distances differ from the fit.",
        "The cells of all levels that hold pixels of one row are a bulk of one dimension and the "
        "scale. Gromov's delta, here its mean over sets of four points, is 0 for a tree and small "
        "for a hyperbolic plane, and it does not depend on the offset; it stands beside that of "
        "the fitted half plane and of the best flat embedding of the same pairs, as noise makes "
        "it larger. The sum of the angles of geodesic triangles, in a plane of the fitted radius, "
        "is pi in flat space and less in a hyperbolic one. Errors of these two are spreads over "
        "bootstrap samples. Distances that are not known, as their information is below 4 "
        "standard errors, are left out throughout: the longest ones are missing.",
    ]
    text += [
        f"{name}: too few significant distances for a fit and an embedding."
        for name in found
        if name not in known
    ]
    report = {name: None if one is None else _report(one) for name, one in found.items()}
    if not known:
        return Findings(Section("The space", text), report)
    pictures = []
    planes = {name: one.plane for name, one in known.items() if one.plane is not None}
    if planes:
        figure = half_plane_figure({name: _scatter(one) for name, one in planes.items()}, UNIT)
        caption = "Distances as measured and in the fitted half plane."
        pictures.append(bulks.setting.picture(figure, "half_plane.png", caption))
    pictures.append(
        bulks.setting.picture(
            embedding_figure(
                {name: _disk(one, bulks.sources[name].bulk) for name, one in known.items()}
            ),
            "embedding.png",
            "Cells of one row of pixels in the Poincare disk, by least squares on distances; "
            "lines connect a cell with the coarser one that holds it.",
        )
    )
    return Findings(Section("The space", text, _tables(known), pictures), report)


def _tables(known: dict[str, Space]) -> list[Table]:
    fits, shapes = [], []
    for name, one in known.items():
        if one.plane is None:
            fits.append([name, "none fits", *["-"] * 5])
        else:
            fits.append(_fitted(name, one.plane))
        shapes.append(
            [
                name,
                str(len(one.cells)),
                shown(*one.delta),
                f"{one.delta_predicted:.3f}",
                f"{one.delta_flat:.3f}",
                shown(*one.angles),
                "flat" if one.is_flat else f"{one.curved.radius:.2f}",
                f"{one.curved.stress:.3f}",
                f"{one.flat.stress:.3f}",
            ]
        )
    columns = ["", "distances", "R", "depth of level 0", "offset", "rms", "chi2 / degrees"]
    heads = ["", "cells", "mean delta", "half plane", "flat", "angles / pi"]
    heads += ["R of the disk", "stress", "stress, flat"]
    caption = (
        "Cells of one row. Stress is the relative root mean square misfit of all distances of an "
        "embedding, in the hyperbolic plane of the radius that fits best and in the flat plane."
    )
    return [Table("Fit by the half plane.", columns, fits), Table(caption, heads, shapes)]


def _fitted(name: str, plane: HalfPlane) -> list[str]:
    fit = plane.fit
    parts = [shown(*part[:2]) for part in (fit.radius, fit.depth, fit.offset)]
    chi2 = f"{fit.chi2:.0f} / {fit.degrees}"
    return [name, str(len(plane.distance)), *parts, f"{plane.rms:.2f}", chi2]


def _scatter(plane: HalfPlane) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return plane.fit.predicted, plane.distance, plane.pairs.first, plane.pairs.second


def _disk(one: Space, bulk: BulkInformation) -> tuple[Tensor, Tensor, list[tuple[int, int]], str]:
    level = bulk.cells.level[one.cells]
    column = bulk.cells.column[one.cells]
    edges = [
        (i, j)
        for i, j in combinations(range(len(level)), 2)
        if level[j] == level[i] + 1 and column[j] == column[i] // 2
    ]
    if one.is_flat:
        points = one.flat.points - one.flat.points.mean(0)
        points = 0.95 * points / points.norm(dim=1).max()
        text = f"no curved plane fits better than the flat one, stress {one.flat.stress:.3f}"
        return points, level, edges, text
    stress = f"stress {one.curved.stress:.3f}, flat {one.flat.stress:.3f}"
    return one.curved.points, level, edges, f"R = {one.curved.radius:.2f}, {stress}"


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


def _report(one: Space) -> dict[str, Any]:
    report = plain(one)
    if report["plane"]:
        report["plane"].pop("pairs")
    for name in ("curved", "flat"):
        report[name].pop("distances")
    return report
