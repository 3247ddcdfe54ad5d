"""Chains by several methods on one energy, side by side."""

from collections.abc import Iterator, Mapping
from typing import Any

Report = Mapping[str, Any]

COLUMNS = (
    "tau",
    "acceptance",
    "states",
    "chains",
    "seconds",
    "warmup_seconds",
    "independent_samples_per_second",
)


def numbers_beside(report: Report) -> dict[str, Any]:
    """What a comparison of methods needs of a report, in plain numbers.

    ``tau_m2`` and ``tau_energy`` are the autocorrelation times, in states, of m^2 and of the
    energy of the physical variables.

    Args:
        report: Of `rgflow.evaluation.fields.reference_report`.
    """
    rows = report["observables"]
    times = {"tau_m2": rows["m2"]["tau"], "tau_energy": rows["energy_per_site"]["tau"]}
    return {name: report[name] for name in COLUMNS} | times


def lines_beside(report: Report) -> Iterator[str]:
    """The chains of a report and those beside it as lines of a table; none if there are none.

    Args:
        report: With an entry ``beside`` of `numbers_beside` by method.
    """
    if not report.get("beside"):
        return
    yield ""
    yield _line("method", "tau of m2", "tau of energy", "acceptance", "independent / s")
    for method, row in {report["method"]: numbers_beside(report), **report["beside"]}.items():
        names = ("tau_m2", "tau_energy", "acceptance", "independent_samples_per_second")
        yield _line(method, *(_shown(row[name]) for name in names))


def _line(method: str, *columns: str) -> str:
    return f"{method:<16}" + "".join(f"{column:>16}" for column in columns)


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
