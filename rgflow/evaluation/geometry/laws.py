"""Part of the geometry: how distances grow along the boundary and along the scale direction."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from rgflow.analysis.geometry import (
    BoundaryLaws,
    BulkInformation,
    CurvatureRadii,
    Fit,
    ScaleLaw,
    along_boundary,
    boundary_laws,
    chord_length,
    curvature_radii,
    periodic_line,
    scale_law,
)
from rgflow.analysis.geometry.laws import LEAST_DEGREES
from rgflow.evaluation.geometry.bulks import EXACT, HAAR, Bulks
from rgflow.evaluation.study.setting import Findings
from rgflow.evaluation.summary import shown
from rgflow.plotting.laws import FittedLaw, LevelDistances, ScaleDistances, laws_figure
from rgflow.plotting.page import Section, Table
from rgflow.runtime.json_text import plain

UNIT = "-ln I, xi = 1"
TEXT = [
    "Distances are d = -xi ln(I / I_0) with xi = 1 and I_0 = 1 nat; I_0 only shifts them. In "
    "hyperbolic space they grow along the boundary like d = a ln r + b, in flat space like "
    "d = a r + b. The lattice is periodic, and correlations, whose squares informations are, add "
    "up over both ways around n cells: the logarithm is that of the chord n/pi sin(pi r/n), and "
    "the line is -2 ln(exp(-a r/2) + exp(-a (n - r)/2)) + b.",
    "Both are fitted from r = 2 cells on, as neighbours touch, up to n/2. The window ends earlier "
    "before the first information of less than 4 standard errors, so that its end depends on the "
    "data. Along the scale it begins at the second coarser level where that leaves three levels, "
    "and otherwise at the first one, which touches.",
    "A law holds if its chi2 has a probability of at least 1 percent. A law is preferred if it "
    "holds and the chi2 of the other one is larger by 10 or more; the logarithm only if all r up "
    "to n/2 are resolved, as a gapped field looks like one over short distances. Where both fail, "
    "or where there are fewer than two degrees of freedom, nothing is preferred. A * marks fits "
    "that do not hold: their errors are multiplied by sqrt(chi2 / degrees).",
]


class SourceLaws(NamedTuple):
    """Laws of one source: at all levels along the boundary, from level 0 along the scale.

    Attributes:
        boundary: Laws of each level with two cells aside or more.
        scale: The law along the scale.
        radii: Curvature radii from both; None where one of them has no fit.
    """

    boundary: list[BoundaryLaws]
    scale: ScaleLaw
    radii: CurvatureRadii | None


def source_laws(bulk: BulkInformation) -> SourceLaws:
    """All laws of one bulk; the radii are those of level 0."""
    levels = int(bulk.cells.level.max()) + 1
    boundary = [boundary_laws(bulk, h) for h in range(levels) if bulk.cells.per_side(h) > 1]
    scale = scale_law(bulk, 0)
    radii = None
    if boundary[0].laws and scale.fit:
        radii = curvature_radii(boundary[0].laws.logarithmic, scale.fit)
    return SourceLaws(boundary, scale, radii)


def laws(bulks: Bulks) -> Findings:
    """Fits of both laws along the boundary, and of the law along the scale."""
    found = {name: source_laws(source.bulk) for name, source in bulks.sources.items()}
    report: dict[str, Any] = {"warnings": bulks.warnings}
    text = [*bulks.warnings, *TEXT]
    if bulks.exact is not None:
        found[EXACT] = source_laws(bulks.exact)
        off = _largest_pull(found[HAAR].boundary[0], bulks.exact)
        report["largest_pull_of_distances"] = off
        if off is not None:
            text.append(
                "This field is Gaussian: the distances behind Haar levels are known, and their "
                f"laws stand below as '{EXACT}', with the errors of the measured ones. Measured "
                f"distances of level 0 are off by {off:.1f} standard errors at most."
            )
    text += [f"{name}: {_in_words(one.boundary[0])}" for name, one in found.items()]
    figure = laws_figure({name: _drawn(one) for name, one in found.items()}, UNIT)
    picture = bulks.setting.picture(
        figure, "laws.png", "Distances and fits, which are drawn in their windows."
    )
    tables = [_boundary_table(found), _scale_table(found)]
    report |= {name: plain(one) for name, one in found.items()}
    return Findings(Section("Laws of distance", text, tables, [picture]), report)


def _largest_pull(law: BoundaryLaws, exact: BulkInformation) -> float | None:
    known = along_boundary(exact, law.level).distance().distance[: len(law.step)]
    pulls = (law.distance.distance - known) / law.distance.error
    return float(pulls.abs().max()) if len(pulls) else None


def _in_words(law: BoundaryLaws) -> str:
    """What the fits of one level decide, in one sentence."""
    where = f"level {law.level}, {law.cells} cells aside"
    if law.laws is None or law.window is None:
        count = len(law.step)
        return f"{where}: {count} resolved distances are too few for a law, nothing is decided."
    log, line = law.laws.logarithmic, law.laws.linear
    both = f"chi2 / degrees: logarithm {_chi2(log)}, line {_chi2(line)}"
    if log.degrees < LEAST_DEGREES:
        return (
            f"{where}: three distances cannot tell both laws apart, nothing is decided ({both})."
        )
    last = law.window[1]
    if law.laws.verdict == "undecided" and last < law.cells // 2:
        return (
            f"{where}: distances are resolved up to r = {last} only, where gapped fields may look "
            f"like massless ones, nothing is decided ({both})."
        )
    return {
        "logarithm": f"{where}: the logarithm is preferred up to r = {last} cells ({both}); a "
        "correlation length of half of that or more is not excluded.",
        "line": f"{where}: the line of flat space is preferred ({both}).",
        "neither": f"{where}: neither law holds, nothing is decided ({both}).",
        "undecided": f"{where}: the data do not tell both laws apart ({both}).",
    }[law.laws.verdict]


def _boundary_table(found: dict[str, SourceLaws]) -> Table:
    rows = []
    for name, one in found.items():
        for law in one.boundary:
            if law.cells < 8:
                continue
            if law.laws is None or law.window is None:
                known = f"none: {len(law.step)} of r = 1 to {law.cells // 2} are significant"
                rows.append([name, str(law.level), known, *[""] * 6])
                continue
            log, line = law.laws.logarithmic, law.laws.linear
            window = f"{law.window[0]} to {law.window[1]} of {law.cells}"
            fits = [_slope(log), _chi2(log), _slope(line), _chi2(line)]
            last = [f"{law.laws.preference:+.1f}", law.laws.verdict]
            rows.append([name, str(law.level), window, *fits, *last])
    columns = ["", "level", "r in cells", "a of the logarithm", "chi2 / degrees"]
    columns += ["a of the line", "chi2 / degrees", "difference", "preferred"]
    return Table("Along the boundary, at levels of 8 cells aside or more.", columns, rows)


def _scale_table(found: dict[str, SourceLaws]) -> Table:
    rows = []
    for name, one in found.items():
        fit, window = one.scale.fit, one.scale.window
        row = [name, *["-"] * 6]
        if fit is not None and window is not None:
            row[1:4] = [f"{window[0]} to {window[1]}", _slope(fit), _chi2(fit)]
        if one.radii is not None:
            row[4:] = [shown(*radius[:2]) for radius in one.radii]
        rows.append(row)
    columns = ["", "levels n", "c", "chi2 / degrees"]
    columns += ["R along boundary", "R along scale", "ratio"]
    caption = (
        "Along the scale from level 0: d = c n + b for n levels. The curvature radius, in the "
        "unit of the distances, is a/2 along the boundary (level 0) and c / ln 2 along the scale: "
        "one number in a hyperbolic space, and none at all where the logarithm does not hold."
    )
    return Table(caption, columns, rows)


def _slope(fit: Fit) -> str:
    return shown(*fit.slope[:2]) + ("" if fit.holds else " *")


def _chi2(fit: Fit) -> str:
    return f"{fit.chi2:.1f} / {fit.degrees}"


def _drawn(one: SourceLaws) -> tuple[list[LevelDistances], ScaleDistances]:
    levels = []
    for law in one.boundary:
        chord = chord_length(law.step.double(), law.cells)
        values = law.distance.distance, law.distance.error
        levels.append(LevelDistances(law.level, law.step, chord, *values, _fitted(law)))
    scale, fit = one.scale, None
    if scale.fit is not None and scale.window is not None:
        steps = torch.arange(scale.window[0], scale.window[1] + 1)
        fit = FittedLaw(f"c n + b, {_chi2(scale.fit)}", steps, steps, scale.fit.predicted)
    return levels, ScaleDistances(scale.step, scale.distance.distance, scale.distance.error, fit)


def _fitted(law: BoundaryLaws) -> list[FittedLaw]:
    """Curves of the logarithm and of the line in their window."""
    if law.laws is None or law.window is None:
        return []
    log, line = law.laws.logarithmic, law.laws.linear
    r = torch.linspace(*law.window, 60, dtype=torch.float64)
    chord = chord_length(r, law.cells)
    curves = (
        ("log", log, log.slope.value * chord.log()),
        ("line", line, periodic_line(r, law.cells, line.slope.value)),
    )
    return [
        FittedLaw(f"{name}, {_chi2(fit)}", r, chord, values + fit.intercept.value)
        for name, fit, values in curves
    ]
