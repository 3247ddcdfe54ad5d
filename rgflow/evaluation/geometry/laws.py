"""Part of the geometry: how distances grow along the boundary and along the scale direction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from rgflow.analysis.geometry import (
    BoundaryLaws,
    CurvatureRadii,
    Fit,
    ScaleLaw,
    boundary_laws,
    curvature_radii,
    radius_per_level,
    scale_law,
)
from rgflow.evaluation.geometry.bulks import Bulks, Source
from rgflow.evaluation.study.setting import Findings
from rgflow.evaluation.summary import shown
from rgflow.plotting.bulk import Line, Points, laws_figure
from rgflow.plotting.page import Section, Table
from rgflow.runtime.json_text import plain

UNIT = "-ln I, xi = 1"


class SourceLaws(NamedTuple):
    """Laws of one source: at all levels along the boundary, from level 0 along the scale.

    Attributes:
        boundary: Laws of each level with two cells aside or more.
        scale: The law along the scale.
        radii: Curvature radii from both, with the plain r and with chords; empty where one of
            them has no fit.
    """

    boundary: list[BoundaryLaws]
    scale: ScaleLaw
    radii: dict[str, CurvatureRadii]


def source_laws(source: Source) -> SourceLaws:
    """All laws of one source; the radii are those of level 0."""
    bulk = source.bulk
    levels = int(bulk.cells.level.max()) + 1
    boundary = [boundary_laws(bulk, h) for h in range(levels) if bulk.cells.per_side(h) > 1]
    scale = scale_law(bulk, 0)
    radii = {}
    if boundary[0].plain and scale.fit:
        radii = {
            name: curvature_radii(both.logarithmic, scale.fit)
            for name, both in (("r", boundary[0].plain), ("chord", boundary[0].chord))
        }
    return SourceLaws(boundary, scale, radii)


def laws(bulks: Bulks) -> Findings:
    """Fits of both laws along the boundary, and of the law along the scale."""
    found = {name: source_laws(source) for name, source in bulks.sources.items()}
    text = [
        "Distances are d = -xi ln(I / I_0) with xi = 1 and I_0 = 1 nat; I_0 only shifts them. In "
        "hyperbolic space they grow like d = a ln r + b along the boundary, in flat space like "
        "d = a r + b.",
        "The window was fixed before any fit: r = 2 to n/4 cells of a level with n cells aside, "
        "but at least r = 2, 3, 4, up to the first information of less than 4 standard errors; "
        "along the scale from the second coarser level on, where that leaves three levels, and "
        "from the first one otherwise. Neighbours (r = 1) touch, and so do a cell and the "
        "one that holds it. Beyond n/4 the two ways around the periodic lattice matter: there the "
        "fit with chords n/pi sin(pi r/n) in place of r says more than that with the plain r.",
        "chi2 is to be compared with the degrees of freedom: a law holds where they are about "
        "equal. Preference is the difference of Akaike's criterion, line less logarithm: above 10 "
        "the line is ruled out in favour of the logarithm, below -10 the logarithm is. It says "
        "which of both is better, and not that either holds.",
    ]
    tables = [_boundary_table(found), _scale_table(found)]
    figure = laws_figure({name: _drawn(one) for name, one in found.items()}, UNIT)
    picture = bulks.setting.picture(
        figure, "laws.png", "Distances and fits at level 0; fits are drawn in their window."
    )
    report = {name: _report(one) for name, one in found.items()}
    return Findings(Section("Laws of distance", text, tables, [picture]), report)


def _boundary_table(found: dict[str, SourceLaws]) -> Table:
    rows = []
    for name, one in found.items():
        for law in one.boundary:
            if law.cells < 8:
                continue
            if law.window is None:
                known = f"none: {len(law.step)} of r = 1 to {law.cells // 2} are significant"
                rows.append([name, str(law.level), known, *[""] * 6])
                continue
            for kind, both in (("r", law.plain), ("chord", law.chord)):
                rows.append(
                    [
                        name,
                        str(law.level),
                        f"{law.window[0]} to {law.window[1]} of {law.cells}",
                        kind,
                        shown(*both.logarithmic.slope[:2]),
                        _chi2(both.logarithmic),
                        shown(*both.linear.slope[:2]),
                        _chi2(both.linear),
                        f"{both.preference:+.1f}",
                    ]
                )
    columns = ["", "level", "r in cells", "against", "a of ln r", "chi2 / degrees"]
    columns += ["a of r", "chi2 / degrees", "preference"]
    return Table("Along the boundary, at levels of 8 cells aside or more.", columns, rows)


def _scale_table(found: dict[str, SourceLaws]) -> Table:
    rows = []
    for name, one in found.items():
        fit, window = one.scale.fit, one.scale.window
        per_level = ", ".join(f"{float(r):.2f}" for r in radius_per_level(one.scale))
        row = [name, "none", "-", "-", per_level or "-"]
        if fit is not None and window is not None:
            row[1:4] = [f"{window[0]} to {window[1]}", shown(*fit.slope[:2]), _chi2(fit)]
        radii = list(one.radii.values())
        row += [shown(*both.along_boundary[:2]) for both in radii] or ["-", "-"]
        row.append(shown(*radii[0].along_scale[:2]) if radii else "-")
        row += [shown(*both.ratio[:2]) for both in radii] or ["-", "-"]
        rows.append(row)
    columns = ["", "levels n", "c", "chi2 / degrees", "R from level to level"]
    columns += ["R along boundary, r", "R, chord", "R along scale", "ratio, r", "ratio, chord"]
    caption = (
        "Along the scale from level 0: d = c n + b for n levels. The curvature radius is a/2 "
        "along the boundary (level 0) and c / ln 2 along the scale; it is one number in the half "
        "plane."
    )
    return Table(caption, columns, rows)


def _chi2(fit: Fit) -> str:
    return f"{fit.chi2:.1f} / {fit.degrees}"


def _drawn(
    one: SourceLaws,
) -> tuple[dict[int, Points], Sequence[Line], Points, Sequence[Line]]:
    boundary = {law.level: _points(law.step, law) for law in one.boundary}
    lines = []
    first = one.boundary[0]
    if first.plain:
        r = torch.linspace(*first.window, 50, dtype=torch.float64)
        log, line = first.plain.logarithmic, first.plain.linear
        lines = [
            Line(r, log.slope.value * r.log() + log.intercept.value, f"log, {_chi2(log)}"),
            Line(r, line.slope.value * r + line.intercept.value, f"line, {_chi2(line)}"),
        ]
    fit = one.scale.fit
    scale_lines = []
    if fit is not None and one.scale.window is not None:
        levels = torch.arange(one.scale.window[0], one.scale.window[1] + 1)
        scale_lines = [Line(levels, fit.predicted, f"c n + b, {_chi2(fit)}")]
    return boundary, lines, _points(one.scale.step, one.scale), scale_lines


def _points(step: torch.Tensor, law: BoundaryLaws | ScaleLaw) -> Points:
    return Points(step, law.distance.distance, law.distance.error)


def _report(one: SourceLaws) -> dict[str, Any]:
    report = plain(one)
    report["radius_per_level"] = radius_per_level(one.scale).tolist()
    for law in report["boundary"]:
        for kind in ("plain", "chord"):
            if law[kind]:
                # so much more probable are the data under the logarithm
                law[kind]["likelihood_ratio_log10"] = law[kind]["preference"] / (2 * math.log(10))
    return report
