"""How independent latents are, for a reader: tables of a figure, and text."""

from collections.abc import Mapping
from typing import Any

from rgflow.analysis.independence import Independence, Measure
from rgflow.plotting.independence import DependenceTable

KINDS: dict[Measure, str] = {"values": "copula of z", "sizes": "copula of |z|"}
TITLE = "Residual mutual information of latents, baseline subtracted"


def dependence_tables(found: Independence) -> dict[str, DependenceTable]:
    """What the figure shows: informations of values and of sizes."""
    return {kind: _table(found, measure) for measure, kind in KINDS.items()}


def _table(found: Independence, measure: Measure) -> DependenceTable:
    curves = [found.by_distance(measure, level) for level in range(found.levels)]
    return DependenceTable(*found.matrix(measure, nearest=True), curves)


def independence_text(reports: Mapping[str, Any]) -> str:
    """Mean informations of neighbours by level in 1e-3 nats, for each flow by its name."""
    lines = []
    for name, report in reports.items():
        lines.append(f"{name}: {report['samples']} samples, latents by level {report['latents']}")
        lines.append("  mean information of neighbouring latents, 1e-3 nats, by levels")
        for measure in report["nearest"]:
            lines.append(f"  {measure}")
            table = report["nearest"][measure]
            for values, errors in zip(table["mean"], table["error"], strict=True):
                cells = (
                    f"{1e3 * v:8.3f} ± {1e3 * e:5.3f}" for v, e in zip(values, errors, strict=True)
                )
                lines.append("   " + "  ".join(cells))
    return "\n".join(lines)
