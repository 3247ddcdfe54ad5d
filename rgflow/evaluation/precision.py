"""Errors that are asked for, and the rounds of samples that bring them."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from rgflow.energies import Energy
from rgflow.evaluation.observables_table import energy_report, two_point_report
from rgflow.evaluation.weight_numbers import number
from rgflow.statistics import Measured
from rgflow.statistics.chain_warnings import few_warnings

LOG_Z = "log_z"
MARGIN = 1.2
"""Factor by which a round aims at more samples than the error so far says are needed."""
MOST_GROWTH = 4.0
"""Largest factor by which the number of samples grows in a round: the error is then known better,
and chains know their autocorrelation."""
BLIND_GROWTH = 2.0
"""The factor while an error is not to be trusted."""
LEAST_INDEPENDENT = 1000
"""Fewest independent samples from which an error counts as small enough, see `draw_in_rounds`."""
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


class Estimate(NamedTuple):
    """The error of a row, and what it rests on.

    Attributes:
        error: The standard error.
        independent: The number of independent samples.
        is_trusted: False if the weights, or the chains, do not let the error be trusted.
    """

    error: float
    independent: float
    is_trusted: bool


@few_warnings(0)
def check_name(precision: Precision, energy: Energy, *, of_flow: bool) -> None:
    """Refuse the name of a row that the report does not have, before any work is done.

    Args:
        precision: What is asked.
        energy: The target.
        of_flow: Whether it is the report on a flow, which has ln Z.

    Raises:
        ValueError: If there is no such row, which lists those that there are, or the error that is
            asked for is not a positive number.
    """
    if not 0 < precision.error < math.inf:
        raise ValueError(f"precision: got {precision.error}, expected a positive error")
    x, zeros = torch.randn(4, *energy.event_shape, generator=torch.Generator()), torch.zeros(4)
    points = points_by_name(two_point_report(energy, x, zeros))
    names = [*([LOG_Z] if of_flow else []), *energy_report(energy, x, zeros, zeros), *points]
    if precision.name not in names:
        raise ValueError(f"precision: got {precision.name!r}, expected one of {', '.join(names)}")


def draw_in_rounds(
    draw: Callable[[int, float], int],
    measure: Callable[[], Estimate],
    precision: Precision,
    first: int,
    max_seconds: float,
    most: int,
) -> dict[str, Any]:
    r"""Draws in rounds until the error is small enough; says how it went, in plain numbers.

    After each round the number of samples that is still needed follows from the error so far,
    ``n (error / asked)^2``, and the next round aims at a fifth more, at fourfold samples at most.

    Stopping when an error is small biases the average: that of a skewed quantity comes out low
    where its error comes out small, which for weights is where heavy ones have not been met. The
    bias is of the order of the error for a few samples, so that errors count only from 1000
    independent ones. With more samples it is largest where the first round is about enough, so
    that chance decides whether another one follows. In units of the
    quoted error it is as follows, with the fractions of the intervals of one and of two errors
    that hold the exact value. These are the mean of squares of normal numbers (skewness 2.8, first
    round 2048) and a mean reweighted by log-normal weights of effective sample size 0.37 (first
    round 10240, where a fixed number has a bias as well), over 1500 to 12000 runs each:

    ======================  ====================  ====================
    number of samples       squares               weights
    ======================  ====================  ====================
    fixed beforehand        -0.01, 68%, 95%       -0.07, 68%, 95%
    stopped, worst case     -0.12, 69%, 96%       -0.16, 66%, 94%
    stopped, elsewhere      -0.02, 68%, 95%       -0.09, 66%, 94%
    ======================  ====================  ====================

    Without the limit of 1000, a first round of 16 squares would give -0.66, 55%, 84%.

    Args:
        draw: Draws about so many further samples, and no further batch once `time.perf_counter`
            is past its second argument; gives their number.
        measure: Gives the error from all samples so far, and what it rests on.
        precision: What is asked.
        first: Samples of the first round.
        max_seconds: Time within which all rounds end, but for the batch that is being drawn.
        most: Most samples.

    Raises:
        ValueError: If the time is not positive.
    """
    if not 0 < max_seconds < float("inf"):
        raise ValueError(f"max_seconds: got {max_seconds}, expected a positive number")
    start = time.perf_counter()
    samples, rounds, count = 0, 0, min(first, most)
    while True:
        samples += draw(count, start + max_seconds)
        rounds += 1
        error, independent, is_trusted = measure()
        seconds = time.perf_counter() - start
        growth, reached = BLIND_GROWTH, False
        if is_trusted and math.isfinite(error) and independent > 0:
            needed = max((error / precision.error) ** 2, LEAST_INDEPENDENT / independent)
            growth, reached = min(MARGIN * needed, MOST_GROWTH), needed <= 1
        affordable = int(samples * max_seconds / seconds)
        wanted = min(round(growth * samples), affordable, most)
        if reached or wanted < LEAST_GROWTH * samples:
            break
        count = wanted - samples
    stopped_by = "precision" if reached else "memory" if wanted == most else "time"
    return {
        "name": precision.name,
        "asked": precision.error,
        "error": number(error),
        "trusted": is_trusted and independent >= LEAST_INDEPENDENT,
        "reached": reached,
        "independent": number(independent),
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
    if not outcome["trusted"] and outcome["error"] is not None:
        # too few independent samples, or weights or chains that are warned of
        error += " (not to be trusted)"
    rounds = "1 round" if outcome["rounds"] == 1 else f"{outcome['rounds']} rounds"
    effort = f"{outcome['samples']} samples in {rounds}"
    return f"precision {outcome['name']} to {outcome['asked']:.2g}: {end}, {error} after {effort}"


_LIMITS = {"time": "the time was up", "memory": "the memory was full"}


def points_by_name(points: list[Measured]) -> dict[str, Measured]:
    """Points of the two-point function under the names that a report prints."""
    return {f"G(r = {r})": point for r, point in enumerate(points)}
