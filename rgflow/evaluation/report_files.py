"""Reports and training times out of the files that scripts and trainings have written."""

import json
import os
from pathlib import Path
from typing import Any


def read_report(path: str | os.PathLike[str], wanted: str) -> dict[str, Any]:
    """Reads a report that a script has written as JSON.

    Args:
        path: The file.
        wanted: A key that only one kind of report has: ``ess`` in one of a flow, ``method`` in
            one of Monte Carlo.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a report of that kind. The ``metrics.json`` of a training run is
            not one, since its seconds are not those of the samples.
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


def training_seconds(*directories: str | os.PathLike[str]) -> float:
    """Wall time of trainings together, from the ``metrics.json`` of their run directories.

    It covers all steps and validations, over all sessions if a run was resumed, but not the final
    report. For a grown flow, name the runs of the smaller flows as well.

    Raises:
        FileNotFoundError: If a directory has no ``metrics.json``.
        ValueError: If one does not tell the seconds of its training.
    """
    total = 0.0
    for path in (Path(directory) / "metrics.json" for directory in directories):
        if not path.is_file():
            raise FileNotFoundError(
                f"got no file at {path}, expected one of a finished training run"
            )
        try:
            total += float(json.loads(path.read_text())["training_seconds"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: got no number of training_seconds, expected the metrics.json of a "
                "finished training run"
            ) from error
    return total
