"""Samples until an error is small enough: of a flow, or of Markov chains."""

import time
from typing import Any

import torch

from rgflow.energies import Energy
from rgflow.evaluation.fields import check_finite_weights, reference_report, report_on_samples
from rgflow.evaluation.observables_table import energy_report, two_point_report
from rgflow.evaluation.precision import (
    LOG_Z,
    Estimate,
    Precision,
    check_name,
    draw_in_rounds,
    points_by_name,
)
from rgflow.flow import Flow
from rgflow.montecarlo.growing import GrowingChains, Reference
from rgflow.montecarlo.weighted import WeightedSamples, weighted_samples
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for
from rgflow.statistics import UNTRUSTED, Measured, log_z_estimates, pareto_k
from rgflow.statistics.chain_warnings import collected_warnings, few_warnings

FIRST = 10_240
"""Samples of a flow in the first round."""
MOST_BYTES = 4 * 2**30
"""Memory that the samples may take; twice as much while those of a round are joined to them."""


@takes_counts
def evaluate_to_precision(
    flow: Flow,
    energy: Energy,
    precision: Precision,
    max_seconds: float = 300.0,
    *,
    first: int = FIRST,
    reference: Reference | None = None,
    seed: int = 0,
    batch_size: int = 2048,
) -> tuple[dict[str, Any], WeightedSamples]:
    r"""The report of `evaluate_energy` on as many samples as an error asks for, and the samples.

    Samples are drawn in rounds, see `draw_in_rounds`, which says by how much this biases. All
    samples of all rounds are in the report, whose numbers are those of so many samples drawn at
    once. The error is that of the named row as the report has it: reweighted, or that of the
    importance estimate of ln Z. While the tail of the weights is not to be trusted (Pareto k of
    0.7 and more), or the samples are worth fewer than 1000 independent ones, no error counts as
    small enough.

    ``precision`` in the report says what was asked, whether it was ``reached`` and the error can
    be ``trusted``, in how many ``samples`` and ``rounds``, how many ``independent`` samples they
    are worth, and what it was ``stopped_by``: ``precision``, ``time`` or ``memory``.

    Args:
        flow: The flow.
        energy: The target.
        precision: What is asked.
        max_seconds: Time of the rounds, after which no further batch is drawn.
        first: Samples of the first round, rounded up to whole batches.
        reference: States of the target.
        seed: Seed of the random numbers that draw the samples.
        batch_size: Samples drawn at a time.

    Raises:
        ValueError: If there is no row of that name, a number is not positive, or samples have an
            energy or density that is not finite.
    """
    check_name(precision, energy, of_flow=True)
    if min(first, batch_size) < 1:
        raise ValueError(f"got first={first}, batch_size={batch_size}, expected at least 1 and 1")
    generator = generator_for("evaluation", seed, device=flow.device)
    drawing, parts = 0.0, []

    def draw(count: int, end: float) -> int:
        nonlocal drawing
        drawn, start = 0, time.perf_counter()
        for _ in progress(range(0, count, batch_size), "batches of samples"):
            part = weighted_samples(
                flow, energy, batch_size, batch_size=batch_size, generator=generator, device="cpu"
            )
            check_finite_weights(part)
            parts.append(part._replace(samples=part.samples.float()))
            drawn += batch_size
            if time.perf_counter() > end and drawn > 1:
                break
        drawing += time.perf_counter() - start
        return drawn

    def together() -> WeightedSamples:
        whole = WeightedSamples(*(torch.cat(column) for column in zip(*parts, strict=True)))
        parts[:] = [whole]
        return whole

    def measure() -> Estimate:
        weighted = together()
        log_weights = weighted.log_weights
        independent = float((2 * log_weights.logsumexp(0) - (2 * log_weights).logsumexp(0)).exp())
        is_trusted = not pareto_k(log_weights) >= UNTRUSTED
        error = _of_weighted(energy, weighted, precision.name, seed).error
        return Estimate(error, independent, is_trusted)

    outcome = draw_in_rounds(draw, measure, precision, first, max_seconds, most_samples(energy))
    weighted = together()
    counts = {"reference": reference, "seed": seed, "batch_size": batch_size}
    report = report_on_samples(flow, energy, weighted, seconds=drawing, **counts)
    return report | {"precision": outcome}, weighted


@takes_counts
def simulate_to_precision(
    chains: GrowingChains,
    energy: Energy,
    precision: Precision,
    max_seconds: float = 300.0,
    *,
    states: int = 256,
    seed: int = 0,
) -> tuple[dict[str, Any], Reference]:
    """The report of `reference_report` on chains as long as an error asks for, and the states.

    The chains grow in rounds, see `draw_in_rounds`, which says by how much this biases, and all
    their states are in the report. The errors know the autocorrelation. While there is a
    `ChainWarning` about a row of the same table, such as one of chains of fewer than 50
    autocorrelation times, or the states are worth fewer than 1000 independent ones for the named
    row, no error counts as small enough. ``precision`` in the report is that of
    `evaluate_to_precision`, with states of all chains as samples.

    Args:
        chains: The chains; those that have states already go on.
        energy: Their target.
        precision: What is asked.
        max_seconds: Time of the rounds, after the warm-up; after it no further states are drawn.
        states: States of each chain in the first round.
        seed: Seed of the random numbers that draw spins given the field.

    Raises:
        ValueError: If there is no row of that name, or a number is not positive.
    """
    check_name(precision, energy, of_flow=False)
    if states < 1 or states * chains.count < 2:
        raise ValueError(
            f"got states={states} of {chains.count} chains for the first round, expected at least "
            "1, and two states in all"
        )

    def draw(count: int, end: float) -> int:
        return chains.count * chains.extend(max(1, round(count / chains.count)), end)

    def measure() -> Estimate:
        reference = chains.reference()
        with collected_warnings() as issued:
            row = _of_chains(energy, reference, precision.name, seed)
        independent = reference.energies.numel() / (2 * row.tau)
        return Estimate(row.error, independent, not issued)

    first = states * chains.count
    outcome = draw_in_rounds(draw, measure, precision, first, max_seconds, most_samples(energy))
    reference = chains.reference()
    return reference_report(energy, reference, seed=seed) | {"precision": outcome}, reference


def _of_chains(energy: Energy, reference: Reference, name: str, seed: int) -> Measured:
    """The row of that name from Markov chains, as the report has it."""
    if name.startswith("G("):
        return points_by_name(two_point_report(energy, reference.samples))[name]
    return energy_report(energy, reference.samples, reference.energies, seed=seed)[name]


def most_samples(energy: Energy) -> int:
    """How many samples the memory that they may take holds."""
    return max(2, MOST_BYTES // (4 * torch.Size(energy.event_shape).numel()))


@few_warnings(0)
def _of_weighted(energy: Energy, weighted: WeightedSamples, name: str, seed: int) -> Measured:
    """The row of that name from samples of a flow, as the report has it."""
    if name == LOG_Z:
        return log_z_estimates(weighted.log_weights).importance
    if name.startswith("G("):
        points = two_point_report(energy, weighted.samples, weighted.log_weights)
        return points_by_name(points)[name]
    return energy_report(energy, *weighted, seed=seed)[name]
