"""A flow and Monte Carlo side by side, from their reports."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

Report = Mapping[str, Any]


class Rates(NamedTuple):
    """Independent samples per second, and what comes before the first.

    Attributes:
        flow: ``ess * samples / seconds`` of the flow's samples.
        flow_with_training: The same with the training time among the seconds.
        monte_carlo: ``states / (2 tau) / seconds``.
        break_even: Independent samples after which the flow has paid for its training; infinite
            where it never does.
    """

    flow: float
    flow_with_training: float | None
    monte_carlo: float
    break_even: float | None


def read_report(path: str | os.PathLike[str], wanted: str) -> dict[str, Any]:
    """A report as JSON.

    Args:
        path: The file.
        wanted: A key that tells which kind of report it is: ``ess`` for one of a flow, ``method``
            for one of Monte Carlo.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no such report; ``metrics.json`` of a training run is none, for its
            seconds are not those of the samples.
    """
    path = Path(path)
    script = {"ess": "evaluate.py", "method": "simulate.py"}[wanted]
    expected = f"expected the report that scripts/{script} --json writes"
    if not path.is_file():
        raise FileNotFoundError(f"got no file at {path}, {expected}")
    try:
        report = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: got no JSON, {expected}") from error
    if not isinstance(report, dict):
        raise ValueError(f"{path}: got a {type(report).__name__}, {expected}")
    missing = {"energy", "observables", "seconds", wanted} - report.keys()
    if missing:
        raise ValueError(f"{path}: got no {', '.join(sorted(missing))}, {expected}")
    if "steps" in report:
        raise ValueError(f"{path}: got the metrics of a training run, {expected}")
    return report


def training_seconds(directory: str | os.PathLike[str]) -> float:
    """Wall time of a training, from the ``metrics.json`` of its run directory.

    It is that of all steps and validations, over all sessions if it was resumed, without the final
    report.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it does not tell the seconds.
    """
    path = Path(directory) / "metrics.json"
    if not path.is_file():
        raise FileNotFoundError(f"got no file at {path}, expected one of a finished training run")
    try:
        return float(json.loads(path.read_text())["training_seconds"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: got no number of training_seconds") from error


def sampling_rates(flow: Report, chains: Report, training: float | None = None) -> Rates:
    """Independent samples per second of both.

    Args:
        flow: Report of `rgflow.evaluation.evaluate_energy`.
        chains: Report of `rgflow.evaluation.reference_report`.
        training: Seconds of the flow's training.

    Raises:
        ValueError: If the energies differ, the flow's report has no effective sample size, or the
            training time is negative.
    """
    _check_same_energy(flow, chains)
    if flow["ess"] is None:
        raise ValueError(
            f"got a flow's report on {flow['samples']} samples without an effective sample size, "
            "expected at least 10000 samples"
        )
    if training is not None and not 0 <= training < math.inf:
        raise ValueError(f"training time: got {training} seconds, expected a number >= 0")
    effective = flow["ess"] * flow["samples"]
    rate, other = effective / flow["seconds"], chains["independent_samples_per_second"]
    if training is None:
        return Rates(rate, None, other, None)
    with_training = effective / (flow["seconds"] + training)
    # training + n / rate = warmup + n / other
    ahead = training - chains["warmup_seconds"]
    slower = 1 / other - 1 / rate
    break_even = max(0.0, ahead / slower) if slower > 0 else math.inf
    return Rates(rate, with_training, other, break_even)


def comparison_table(flow: Report, chains: Report, training: float | None = None) -> str:
    """Observables of both with their difference in standard errors, then the rates, as text.

    Args:
        flow: See `sampling_rates`.
        chains: See `sampling_rates`.
        training: Seconds of the flow's training.

    Raises:
        ValueError: See `sampling_rates`.
    """
    rates = sampling_rates(flow, chains, training)
    lines = [f"{'observable':<31}{'flow, reweighted':>24}{'Monte Carlo':>24}{'sigmas':>8}"]
    for name, mine in flow["observables"].items():
        other = chains["observables"].get(name)
        if other is not None:
            sigmas = _sigmas(mine, other)
            shown = "-" if sigmas is None else f"{sigmas:.1f}"
            lines.append(f"{name:<31}{_shown(mine):>24}{_shown(other):>24}{shown:>8}")
    rows = {
        "independent samples per second": (f"{rates.flow:.4g}", f"{rates.monte_carlo:.4g}"),
        "acceptance": (f"{flow['acceptance']:.4g}", f"{chains['acceptance']:.4g}"),
    }
    if rates.flow_with_training is not None:
        rows["the same with training"] = (f"{rates.flow_with_training:.4g}", "")
        paid = "never" if math.isinf(rates.break_even) else f"{rates.break_even:.4g} samples"
        rows["training is paid for after"] = (paid, "")
    lines += [""] + [f"{name:<31}{a:>24}{b:>24}" for name, (a, b) in rows.items()]
    return "\n".join(lines)


def _check_same_energy(flow: Report, chains: Report) -> None:
    a, b = flow["energy"], chains["energy"]
    if a != b:
        raise ValueError(f"got reports on different energies: {json.dumps(a)}, {json.dumps(b)}")


def _sigmas(a: Report, b: Report) -> float | None:
    """Difference over its standard error, None where one is not known."""
    if None in (a["value"], a["error"], b["value"], b["error"]):
        return None
    error = math.hypot(a["error"], b["error"])
    return (a["value"] - b["value"]) / error if error > 0 else None


def _shown(row: Report) -> str:
    if row["value"] is None:
        return "-"
    return f"{row['value']:.6g} +- {'?' if row['error'] is None else format(row['error'], '.2g')}"
