"""How independent latents are, for a reader: tables of a figure, and text."""

from collections.abc import Mapping
from typing import Any

from rgflow.analysis.independence import Independence, Measure
from rgflow.plotting.independence import DependenceTable

KINDS: dict[Measure, str] = {
    "values": "values z",
    "sizes": "sizes |z|",
    "linear_values": "values z, by their plain correlation",
    "linear_sizes": "sizes |z|, by their plain correlation",
}
DRAWN: tuple[Measure, ...] = ("values", "sizes")
TITLE = "Residual mutual information of latents, baseline subtracted"


def dependence_tables(found: Independence) -> dict[str, DependenceTable]:
    """What the figure shows: informations of values and of sizes."""
    return {KINDS[measure]: _table(found, measure) for measure in DRAWN}


def _table(found: Independence, measure: Measure) -> DependenceTable:
    curves = [found.by_distance(measure, level) for level in range(found.levels)]
    return DependenceTable(*found.matrix(measure, nearest=True), curves)


def _cell(value: float, error: float) -> str:
    """A number with its error in a column, or a dash for what too few latents do not tell."""
    if value != value:
        return f"{'-':>16}"
    return f"{value:8.3f} ± {error:5.3f}" if error == error else f"{value:8.3f}{'':8}"


def independence_text(reports: Mapping[str, Any]) -> str:
    """Mean informations of neighbours by level in 1e-3 nats, for each flow by its name."""
    lines = []
    for flow, report in reports.items():
        lines.append(f"{flow}: {report['samples']} samples, latents by level {report['latents']}")
        lines.append("  mean information of neighbouring latents, 1e-3 nats, by levels")
        for measure in report["nearest"]:
            lines.append(f"  {KINDS[measure]}")
            table = report["nearest"][measure]
            names = [f"level {h}" for h in range(len(table["mean"]))]
            lines.append("    ".ljust(12) + "  ".join(f"{name:>16}" for name in names))
            for name, values, errors in zip(names, table["mean"], table["error"], strict=True):
                cells = (_cell(1e3 * v, 1e3 * e) for v, e in zip(values, errors, strict=True))
                lines.append(f"    {name:<8}" + "  ".join(cells))
        values = [v for one in report["nearest"].values() for row in one["mean"] for v in row]
        if any(value != value for value in values):
            lines.append("  a dash: no two neighbours are among the latents that were looked at")
    return "\n".join(lines)
