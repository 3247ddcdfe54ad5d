"""Part of the geometry: residual mutual information by level, of the flow and untrained maps."""

from __future__ import annotations

from typing import Any

from rgflow.analysis.geometry import Profile, along_boundary, along_scale
from rgflow.evaluation.geometry.bulks import HAAR, WHAT, Bulks, mean_information, signal
from rgflow.evaluation.study.setting import Findings
from rgflow.evaluation.summary import evaluation_summary, shown
from rgflow.plotting.bulk import Points, information_figure
from rgflow.plotting.page import Section, Table
from rgflow.runtime.json_text import plain


def states(bulks: Bulks) -> Findings:
    """Monte-Carlo states of the target, and what the flow is worth on them."""
    report = bulks.quality
    chains = report["reference"]
    text = [
        f"{bulks.chains} chains of {bulks.states} states of the target by {chains['method']}: "
        f"acceptance {chains['acceptance']:.2f}, integrated autocorrelation time "
        f"{chains['tau']:.2g} states. Errors of all informations come from whole chains.",
        *evaluation_summary(report).split("\n"),
        *bulks.warnings,
    ]
    return Findings(Section("States and flow", text), report)


def information(bulks: Bulks) -> Findings:
    """Informations by level and distance, and their mean over all pairs."""
    rows, curves, report = [], {}, {}
    levels = int(bulks.cells.level.max()) + 1
    for name, source in bulks.sources.items():
        bulk = source.bulk
        boundary = [along_boundary(bulk, h) for h in range(levels) if bulk.cells.per_side(h) > 1]
        scale = along_scale(bulk, 0)
        curves[name] = (
            [_points(one, 2.0 ** (h + 1)) for h, one in enumerate(boundary)],
            _points(scale, 1.0),
        )
        value, error = mean_information(bulk)
        rows.append(
            [
                name,
                shown(1e3 * value, 1e3 * error),
                f"{100 * signal(bulk):.0f} %",
                *(_cell(one, 0) for one in boundary),
                _cell(scale, 0),
            ]
        )
        report[name] = {
            "steps": source.steps,
            "samples": bulk.means.samples,
            "blocks": bulk.means.blocks,
            "mean": {"value": value, "error": error},
            "significant": signal(bulk),
            "boundary": [_plain(one) for one in boundary],
            "scale": [_plain(along_scale(bulk, h)) for h in range(levels - 1)],
        }
    caption = (
        "Information in 1e-3 nats between cells of 2 x 2 sites: mean over all pairs of cells, "
        "share of the pairs that have at least 4 standard errors, neighbours along the axes at "
        "each level, and a cell of level 0 with the one of level 1 that holds it."
    )
    heads = [f"level {h}" for h in range(len(boundary))]
    table = Table(caption, ["", "all pairs", "significant", *heads, "levels 0, 1"], rows)
    text = [
        "A level keeps one site of each cell of 2 x 2 for the next level and emits the other "
        "three, with all their components. Between any two cells the residual mutual information "
        "is that of a Gaussian copula, -1/2 ln det(1 - M M^T), less its value for states whose "
        "pairing is broken; it is not clipped at zero. A perfect flow leaves none, and every "
        "better flow leaves less. Triangles in the picture are two standard errors above what is "
        "not positive. The errors of informations that vanish are about 1.6 times too large, so "
        "that the limit of 4 standard errors, from which an information counts as significant, "
        "is one of about 6.",
        "; ".join(f"{name}: {WHAT[name]}" for name in bulks.sources) + ".",
        *bulks.notes,
        *_against_exact(bulks, report),
    ]
    picture = bulks.setting.picture(
        information_figure(curves),
        "information.png",
        "Residual mutual information along the axes at each level, and along the scale.",
    )
    return Findings(Section("Residual mutual information", text, [table], [picture]), report)


def _against_exact(bulks: Bulks, report: dict[str, Any]) -> list[str]:
    """How the informations of a linear map of a Gaussian field compare with the exact ones."""
    if bulks.exact is None:
        return []
    measured, exact = bulks.sources[HAAR].bulk.means, bulks.exact.means.information
    pulls = (measured.information - exact) / measured.error
    weights = 1 / (len(pulls) * measured.error)
    error = float(measured.combined(weights[None])[1].sqrt())
    spread, mean = float(pulls.std()), float(pulls.mean())
    report["exact"] = {
        "informations": len(pulls),
        "pull_mean": mean,
        "pull_mean_error": error,
        "pull_std": spread,
    }
    return [
        f"This field is Gaussian, so that the informations behind the Haar levels are known: "
        f"the {len(pulls)} measured ones are off by {shown(mean, error)} standard errors in the "
        f"mean, with a spread of {spread:.2f}."
    ]


def _points(profile: Profile, spacing: float) -> Points:
    return Points(profile.step * spacing, profile.information, profile.error)


def _cell(profile: Profile, i: int) -> str:
    return shown(1e3 * float(profile.information[i]), 1e3 * float(profile.error[i]))


def _plain(profile: Profile) -> dict[str, Any]:
    return {**plain(profile), "error": profile.error.tolist()}
