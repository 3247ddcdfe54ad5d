"""Errors that are asked for, and the rounds of samples that bring them."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from rgflow.energies import Energy
from rgflow.evaluation.observables_table import energy_report, two_point_report
from rgflow.evaluation.weight_numbers import number
from rgflow.statistics import Measured
from rgflow.statistics.chains import few_warnings

LOG_Z = "log_z"
GROWTH = 2
"""Factor by which the number of samples grows from round to round."""
LEAST_GROWTH = 1.05
"""Least factor of a last round that the time still allows."""


class Precision(NamedTuple):
    """What is asked: the standard error of one row of a report.

    Attributes:
        name: ``log_z``, or an observable as the report prints it, such as ``m2`` or ``G(r = 2)``.
        error: The largest standard error.
    """

    name: str
    error: float

    @classmethod
    def of_text(cls, text: str) -> "Precision":
        """What ``NAME=ERROR`` asks for.

        Raises:
            ValueError: If the text has another form, or the error is not a positive number.

        >>> Precision.of_text("G(r = 2)=0.001")
        Precision(name='G(r = 2)', error=0.001)
        """
        name, _, number = text.rpartition("=")
        try:
            error = float(number)
        except ValueError:
            error = 0.0
        if not (name.strip() and 0 < error < float("inf")):
            raise ValueError(
                f"precision: got {text!r}, expected a name and a positive error such as m2=0.001"
            )
        return cls(name.strip(), error)


@few_warnings(0)
def check_name(precision: Precision, energy: Energy, *, of_flow: bool) -> None:
    """Refuse the name of a row that the report does not have, before any work is done.

    Args:
        precision: What is asked.
        energy: The target.
        of_flow: Whether it is the report on a flow, which has ln Z.

    Raises:
        ValueError: If there is no such row; it lists those that there are.
    """
    x, zeros = torch.randn(4, *energy.event_shape, generator=torch.Generator()), torch.zeros(4)
    points = points_by_name(two_point_report(energy, x, zeros))
    names = [*([LOG_Z] if of_flow else []), *energy_report(energy, x, zeros, zeros), *points]
    if precision.name not in names:
        raise ValueError(f"precision: got {precision.name!r}, expected one of {', '.join(names)}")


def grow(
    draw: Callable[[int], int],
    measure: Callable[[], tuple[float, bool]],
    precision: Precision,
    first: int,
    max_seconds: float,
    most: int,
) -> dict[str, Any]:
    """Draws in rounds until the error is small enough; says how it went, in plain numbers.

    Args:
        draw: Draws about so many further samples and gives their number.
        measure: Gives the error from all samples so far, and whether it is to be trusted.
        precision: What is asked.
        first: Samples of the first round.
        max_seconds: Time within which all rounds should end.
        most: Most samples.

    Raises:
        ValueError: If the time is not positive.
    """
    if not 0 < max_seconds < float("inf"):
        raise ValueError(f"max_seconds: got {max_seconds}, expected a positive number")
    start = time.perf_counter()
    samples, rounds, count = 0, 0, min(first, most)
    while True:
        samples += draw(count)
        rounds += 1
        error, is_trusted = measure()
        seconds = time.perf_counter() - start
        reached = is_trusted and error <= precision.error
        affordable = int(samples * max_seconds / seconds)
        wanted = min(GROWTH * samples, affordable, most)
        if reached or wanted < LEAST_GROWTH * samples:
            break
        count = wanted - samples
    stopped_by = "precision" if reached else "memory" if wanted == most else "time"
    return {
        "name": precision.name,
        "asked": precision.error,
        "error": number(error),
        "reached": reached,
        "stopped_by": stopped_by,
        "samples": samples,
        "rounds": rounds,
        "seconds": seconds,
    }


def precision_line(outcome: Mapping[str, Any]) -> str:
    """Says in one line how many samples it took, and whether it got there.

    Args:
        outcome: The entry ``precision`` of a report.
    """
    end = "reached" if outcome["reached"] else f"not reached, {_LIMITS[outcome['stopped_by']]}"
    error = "?" if outcome["error"] is None else f"{outcome['error']:.2g}"
    effort = f"{outcome['samples']} samples in {outcome['rounds']} rounds"
    return f"precision {outcome['name']} to {outcome['asked']:.2g}: {end}, {error} after {effort}"


_LIMITS = {"time": "the time was up", "memory": "the memory was full"}


def points_by_name(points: list[Measured]) -> dict[str, Measured]:
    """Points of the two-point function under the names that a report prints."""
    return {f"G(r = {r})": point for r, point in enumerate(points)}
