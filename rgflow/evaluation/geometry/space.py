"""Part of the geometry: the bulk as a whole, as a half space, a disk, and by Gromov's delta."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from torch import Tensor

from rgflow.analysis.geometry import BulkInformation, HalfPlane
from rgflow.analysis.geometry.laws import MARGIN
from rgflow.evaluation.geometry.bulks import Bulks
from rgflow.evaluation.geometry.laws import UNIT
from rgflow.evaluation.geometry.shape import Space, space_of
from rgflow.evaluation.study.setting import Findings
from rgflow.evaluation.summary import shown
from rgflow.plotting.bulk import EmbeddedCells, embedding_figure, half_plane_figure
from rgflow.plotting.page import Section, Table
from rgflow.runtime.json_text import plain
from rgflow.runtime.progress import progress


def space(bulks: Bulks) -> Findings:
    """The half space, its disk and Gromov's delta."""
    found = {
        name: space_of(source.bulk)
        for name, source in progress(list(bulks.sources.items()), "embeddings")
    }
    known = {name: one for name, one in found.items() if one is not None}
    text = [
        "All significant distances between cells at most L/4 apart, of one level or of two, are "
        "fitted by d = offset + 2 R arsinh(sqrt((r^2 + dz^2) / (4 z z'))), the distance in the "
        "half space ds^2 = R^2 (dx^2 + dy^2 + dz^2) / z^2, with z = depth 2^level. Beside it "
        "stands chi2 of a flat space with as many parameters, offset + sqrt(a^2 r^2 + c^2 n^2) "
        "for n levels in between. Errors get 0.1 in quadrature, as distances depend on directions "
        "on the lattice, and are taken as independent; rms is by how much the distances differ "
        "from the fit. Where chi2 has a probability below 1 percent the fit does not hold, and "
        "errors are multiplied by sqrt(chi2 / degrees). R is in the unit of the distances, and in "
        "cells: over the distance of neighbours of one level in the fitted space.",
        "The cells of all levels that hold pixels of one row are a bulk of one dimension and the "
        "scale, nearly a plane: centres of coarser cells lie beside the row. Gromov's delta, its "
        "mean over sets of four points, says how hyperbolic it is: it is 0 for a tree and small "
        "for a hyperbolic plane, and it does not depend on the offset. It stands beside that of "
        "the fitted half space and of the best flat embedding of the same pairs, as noise makes "
        "it larger; its error is the spread over bootstrap samples. Distances that are not known, "
        "as their information is below 4 standard errors, are left out throughout: the longest "
        "ones are missing.",
    ]
    text += [f"{name}: {_in_words(one.plane)}" for name, one in known.items()]
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
        caption = "Distances as measured and in the fitted half space."
        pictures.append(bulks.setting.picture(figure, "half_plane.png", caption))
    pictures.append(
        bulks.setting.picture(
            embedding_figure(
                {name: _disk(one, bulks.sources[name].bulk) for name, one in known.items()}
            ),
            "embedding.png",
            "Cells of one row of pixels by least squares on distances: in the Poincare disk, or "
            "without a circle in the flat plane where no curved plane fits better by 2 percent. "
            "Lines connect a cell with the coarser one that holds it.",
        )
    )
    return Findings(Section("The space", text, _tables(known), pictures), report)


def _tables(known: dict[str, Space]) -> list[Table]:
    fits, shapes = [], []
    for name, one in known.items():
        if one.plane is None:
            fits.append([name, "none fits", *["-"] * 7])
        else:
            fits.append(_fitted(name, one.plane))
        shapes.append(
            [
                name,
                str(len(one.cells)),
                shown(*one.delta),
                "-" if one.delta_predicted is None else f"{one.delta_predicted:.3f}",
                f"{one.delta_flat:.3f}",
                "flat" if one.is_flat else f"{one.curved.radius:.2f}",
                f"{one.curved.stress:.3f}",
                f"{one.flat.stress:.3f}",
            ]
        )
    columns = ["", "distances", "R", "R in cells", "depth of level 0", "offset", "rms"]
    columns += ["chi2 / degrees", "chi2, flat"]
    heads = ["", "cells", "mean delta", "half space", "flat"]
    heads += ["R of the disk", "stress", "stress, flat"]
    caption = (
        "Cells of one row. Stress is the relative root mean square misfit of all distances of an "
        "embedding, in the hyperbolic plane of the radius that fits best and in the flat plane."
    )
    return [Table("Fit by the half space.", columns, fits), Table(caption, heads, shapes)]


def _fitted(name: str, plane: HalfPlane) -> list[str]:
    fit = plane.fit
    given = (fit.radius, fit.radius_in_cells, fit.depth, fit.offset)
    parts = [shown(*part[:2]) for part in given]
    chi2 = f"{fit.chi2:.0f} / {fit.degrees}" + ("" if fit.holds else ", does not fit")
    last = [f"{plane.rms:.2f}", chi2, f"{fit.flat_chi2:.0f}"]
    return [name, str(len(plane.distance)), *parts, *last]


def _in_words(plane: HalfPlane | None) -> str:
    """What the fit of the half space decides, in one sentence."""
    if plane is None:
        return "no half space fits its distances."
    fit = plane.fit
    if not fit.holds:
        return "the half space does not fit, and its R is no curvature radius."
    if fit.flat_chi2 - fit.chi2 < MARGIN:
        return "the half space fits, but not better than a flat space: its R decides nothing."
    return "the half space fits, and better than a flat space."


def _scatter(plane: HalfPlane) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return plane.fit.predicted, plane.distance, plane.pairs.first, plane.pairs.second


def _disk(one: Space, bulk: BulkInformation) -> EmbeddedCells:
    level = bulk.cells.level[one.cells]
    column = bulk.cells.column[one.cells]
    edges = [
        (i, j)
        for i, j in combinations(range(len(level)), 2)
        if level[j] == level[i] + 1 and column[j] == column[i] // 2
    ]
    if one.is_flat:
        points = one.flat.points - one.flat.points.mean(0)
        points = points / points.norm(dim=1).max()  # as large as the disk
        text = f"flat: no curved plane is better by 2 percent, stress {one.flat.stress:.3f}"
        return EmbeddedCells(points, level, edges, text, is_flat=True)
    stress = f"stress {one.curved.stress:.3f}, flat {one.flat.stress:.3f}"
    text = f"R = {one.curved.radius:.2f}, {stress}"
    return EmbeddedCells(one.curved.points, level, edges, text, is_flat=False)


def _report(one: Space) -> dict[str, Any]:
    report = plain(one)
    if report["plane"]:
        report["plane"].pop("pairs")
    for name in ("curved", "flat"):
        report[name].pop("distances")
    return report
