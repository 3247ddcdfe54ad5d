"""Part of the geometry: the bulk as a whole, as a half plane, a disk, and a set of triangles."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from torch import Tensor

from rgflow.analysis.geometry import BulkInformation, HalfPlane
from rgflow.evaluation.geometry.bulks import Bulks
from rgflow.evaluation.geometry.laws import UNIT
from rgflow.evaluation.geometry.shape import Space, space_of
from rgflow.evaluation.study.setting import Findings
from rgflow.evaluation.summary import shown
from rgflow.plotting.bulk import embedding_figure, half_plane_figure
from rgflow.plotting.page import Section, Table
from rgflow.runtime.json_text import plain
from rgflow.runtime.progress import progress


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


def _report(one: Space) -> dict[str, Any]:
    report = plain(one)
    if report["plane"]:
        report["plane"].pop("pairs")
    for name in ("curved", "flat"):
        report[name].pop("distances")
    return report
