"""Chains by several methods on one energy, side by side: autocorrelation, cost and break-even."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rgflow.montecarlo.reference import needs_flow

Report = Mapping[str, Any]

COPIED = (
    "tau",
    "acceptance",
    "states",
    "chains",
    "seconds",
    "warmup_seconds",
    "independent_samples_per_second",
)
COLUMNS = {
    "tau_m2": "tau of m2",
    "tau_energy": "tau of energy",
    "acceptance": "acceptance",
    "seconds_per_independent_sample": "s per ind. sample",
}
"""Numbers of a row of the table, and their titles."""


def numbers_beside(report: Report) -> dict[str, Any]:
    """What a comparison of methods needs of a report, in plain numbers.

    ``tau_m2`` and ``tau_energy`` are the autocorrelation times, in states, of m^2 and of the
    energy of the physical variables. ``seconds_per_independent_sample`` is the time in which
    ``2 tau`` states are drawn, with the larger one of both, without warm-up and training.

    Args:
        report: Of `rgflow.evaluation.fields.reference_report`.
    """
    rows = report["observables"]
    return {name: report[name] for name in COPIED} | {
        "tau_m2": rows["m2"]["tau"],
        "tau_energy": rows["energy_per_site"]["tau"],
        "seconds_per_independent_sample": 1 / report["independent_samples_per_second"],
    }


def samples_per_training_second(cost: float, alone: float) -> float:
    """Independent samples after which a second of training is paid for: ``1 / (alone - cost)``.

    Args:
        cost: Seconds of an independent sample of chains that need the training.
        alone: The same of chains that need none.

    Returns:
        Their number, infinite where it is never paid for.

    >>> samples_per_training_second(0.25, 0.75)
    2.0
    """
    return 1 / (alone - cost) if cost < alone else math.inf


def lines_beside(report: Report) -> Iterator[str]:
    """Chains by several methods as lines of a table; none if there is nothing to compare.

    Below the table it says of all chains that need the flow when its training is paid for, by the
    time that they save against those that do not.

    Args:
        report: With an entry ``beside`` of `numbers_beside` by method, its own among them.
    """
    if not report.get("beside"):
        return
    rows = report["beside"]
    yield ""
    yield _line("method", COLUMNS.values())
    for method, row in rows.items():
        yield _line(method, (_shown(row[name]) for name in COLUMNS))
    costs = {method: row["seconds_per_independent_sample"] for method, row in rows.items()}
    for alone in (method for method in rows if not needs_flow(method)):
        for method in (method for method in rows if needs_flow(method)):
            samples = samples_per_training_second(costs[method], costs[alone])
            if math.isinf(samples):
                yield f"{method} saves no time against {alone}: its training is never paid for"
            else:
                yield (
                    f"{method} pays for each second of its training after {samples:.4g} "
                    f"independent samples, against {alone}"
                )


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _line(method: str, columns: Iterable[str]) -> str:
    return f"{method:<16}" + "".join(f"{column:>19}" for column in columns)
