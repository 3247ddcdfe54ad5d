"""What a flow is worth as a sampler of an energy: free energy, weights and observables."""

import time
from typing import Any

import torch

from rgflow.energies import Energy
from rgflow.energies.from_config import describe_energy
from rgflow.energies.symmetries import is_phase_invariant
from rgflow.evaluation.observables_table import energy_report, two_point_report
from rgflow.evaluation.phases import phase_report
from rgflow.evaluation.rarest import rarest_report
from rgflow.evaluation.summary import report_warnings
from rgflow.evaluation.weight_numbers import free_energies, number, quality
from rgflow.evaluation.weighted_samples import draw_weighted, log_weights_of
from rgflow.flow import Flow
from rgflow.montecarlo.reference import Reference
from rgflow.montecarlo.weighted import WeightedSamples
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.package_warnings import issue
from rgflow.statistics import Measured
from rgflow.statistics.chain_warnings import few_warnings


@takes_counts
def evaluate_energy(
    flow: Flow,
    energy: Energy,
    *,
    samples: int = 100_000,
    reference: Reference | None = None,
    seed: int = 0,
    batch_size: int = 2048,
) -> dict[str, Any]:
    """Report on a flow trained on an energy, in plain numbers; None stands for what is not known.

    With ``log w = -E - log q``, where q is the flow and p the target:

    * ``free_energy_bound = <log q + E>_q >= -ln Z``;
    * ``log_z_lower = <log w>_q``, ``log_z_importance = ln <w>_q``, ``log_z_upper = <log w>_p``;
    * ``kl_nats = ln Z - log_z_lower`` is KL(q||p), ``forward_kl_nats = log_z_upper - ln Z`` is
      KL(p||q);
    * ``ess``, ``largest_share`` and ``acceptance`` are those of `rgflow.statistics`;
    * ``pareto_k`` is the tail of the weights. The importance estimate is not to be trusted from
      0.7 on, and has no error there; for ``ess`` these limits are 0.35 and 0.5.
      ``forward_pareto_k``, for ``forward_ess``, is the larger one of the tails of w and 1/w over
      the target;
    * ``forward_ess = 1 / (<w>_p <1/w>_p)`` sees modes that q misses;
    * ``target_log_weight_max = max_p log w - log_z_importance`` says by how many nats the flow
      makes the worst of the target's states too rare; ``rarest`` says what the worst ones are,
      see `rarest_report`.

    Averages have their standard errors under their names with ``_error``. ``observables`` are the
    rows of `energy_report`, reweighted; those of Monte Carlo are ``reference_observables``.
    ``two_point`` and ``reference_two_point`` are G(r) for r = 0 to L/2. Where the energy offers an
    exact answer, the row has it as ``exact``, and its difference from it in standard errors as
    ``sigmas``. Where a turn of all phases is a symmetry, ``phases`` tells how well the flow has
    it, see `phase_symmetry`.

    What speaks against trusting the numbers is issued as warnings of the classes of
    `rgflow.statistics`: `WeightWarning` and its kinds, and `ExactValueWarning`.

    Args:
        flow: The flow.
        energy: The target.
        samples: Number of samples of the flow; an ``ess`` needs at least `LEAST_FOR_ESS`.
        reference: States of the target, for all that is an average over p.
        seed: Seed of the random numbers that draw the samples.
        batch_size: Samples drawn at a time.

    Raises:
        ValueError: If a number is not positive, shapes differ, or samples of the flow have an
            energy or a density that is not finite.
    """
    counts = {"reference": reference, "seed": seed, "batch_size": batch_size}
    return evaluate_with_samples(flow, energy, samples=samples, **counts)[0]


def evaluate_with_samples(
    flow: Flow,
    energy: Energy,
    *,
    samples: int = 100_000,
    reference: Reference | None = None,
    seed: int = 0,
    batch_size: int = 2048,
) -> tuple[dict[str, Any], WeightedSamples]:
    """The report of `evaluate_energy`, and the samples behind it, such as for a figure.

    Arguments and errors are those of `evaluate_energy`.
    """
    start = time.perf_counter()
    drawn = draw_weighted(flow, energy, samples, seed=seed, batch_size=batch_size)
    counts = {"reference": reference, "seed": seed, "batch_size": batch_size}
    seconds = time.perf_counter() - start
    return report_on_samples(flow, energy, drawn, seconds=seconds, **counts), drawn


def check_finite_weights(weighted: WeightedSamples) -> None:
    """Refuse samples whose energy or density is not finite.

    Raises:
        ValueError: If there are any.
    """
    samples = len(weighted.log_weights)
    bad = samples - int(weighted.log_weights.isfinite().sum())
    if bad:
        raise ValueError(
            f"got {bad} of {samples} samples of the flow whose energy or density is not finite, "
            "expected finite numbers"
        )


@few_warnings(1)
def report_on_samples(
    flow: Flow,
    energy: Energy,
    weighted: WeightedSamples,
    *,
    seconds: float,
    reference: Reference | None = None,
    seed: int = 0,
    batch_size: int = 2048,
) -> dict[str, Any]:
    """The report of `evaluate_energy` on samples that have been drawn already.

    Args:
        flow: The flow.
        energy: The target.
        weighted: Samples of the flow, on the CPU.
        seconds: The time in which they were drawn.
        reference: States of the target, for all that is an average over p.
        seed: Seed of the random numbers that drew the samples, and of those that draw spins.
        batch_size: States of the target that go through the flow at a time.

    Raises:
        ValueError: As `evaluate_energy` does.
    """
    check_finite_weights(weighted)
    samples = len(weighted.log_weights)
    table = energy_report(energy, *weighted, seed=seed)
    points = two_point_report(energy, weighted.samples, weighted.log_weights)
    target = (
        None
        if reference is None
        else log_weights_of(flow, reference.samples, reference.energies, batch_size)
    )
    report = {
        "energy": describe_energy(energy),
        "samples": samples,
        "seconds": seconds,
        "device": str(flow.device),
        "threads": torch.get_num_threads(),
        "seed": seed,
        **free_energies(weighted.log_weights, target, energy.log_z),
        **quality(weighted.log_weights, target),
        "observables": _observables(energy, table, ("value", "error")),
        "two_point": _two_point(energy, points),
    }
    if is_phase_invariant(energy):
        report["phases"] = phase_report(flow, weighted.samples, reference)
    if reference is None:
        return _warned_of(report)
    report["rarest"] = rarest_report(energy, reference, target, seed)
    chains = reference_report(energy, reference, seed=seed)
    for name in ("observables", "two_point"):
        report[f"reference_{name}"] = chains.pop(name)
    return _warned_of(report | {"reference": chains})


def _warned_of(report: dict[str, Any]) -> dict[str, Any]:
    """The report, after its warnings have been issued."""
    for warning in report_warnings(report):
        issue(warning)
    return report


@few_warnings(1)
@takes_counts
def reference_report(energy: Energy, reference: Reference, *, seed: int = 0) -> dict[str, Any]:
    """Report on states of a target by Monte Carlo, in plain numbers.

    ``independent_samples_per_second`` is the number of states over ``2 tau``, divided by the
    seconds after the warm-up. ``tau`` is the larger one of those of m^2 and of the energy, both of
    the physical variables. ``observables`` and ``two_point`` are those of `evaluate_energy`.

    Args:
        energy: The target.
        reference: Its states.
        seed: Seed of the random numbers that draw spins given the field.

    Raises:
        ValueError: If the shapes differ.
    """
    states, chains = reference.energies.shape
    table = energy_report(energy, reference.samples, reference.energies, seed=seed)
    points = two_point_report(energy, reference.samples)
    tau = max(table[name].tau for name in ("m2", "energy_per_site"))
    return {
        "energy": describe_energy(energy),
        "method": reference.method,
        "states": states,
        "chains": chains,
        "acceptance": reference.acceptance,
        "seconds": reference.seconds,
        "warmup_seconds": reference.warmup_seconds,
        "device": reference.device,
        "threads": torch.get_num_threads(),
        "tau": tau,
        "independent_samples_per_second": states * chains / (2 * tau) / reference.seconds,
        "log_z_exact": energy.log_z,
        "observables": _observables(energy, table, ("value", "error", "tau")),
        "two_point": _two_point(energy, points),
    }


def _observables(
    energy: Energy, table: dict[str, Measured], columns: tuple[str, ...]
) -> dict[str, dict[str, float | None]]:
    exact = energy.exact_observables()
    return {name: _plain(row, columns, exact.get(name)) for name, row in table.items()}


def _two_point(energy: Energy, points: list[Measured]) -> list[dict[str, float | None]]:
    exact = energy.exact_two_point() if points else None
    answers = [None] * len(points) if exact is None else exact.tolist()
    rows = (
        _plain(row, ("value", "error"), answer)
        for row, answer in zip(points, answers, strict=True)
    )
    return [{"r": r} | row for r, row in enumerate(rows)]


def _plain(
    row: Measured, columns: tuple[str, ...], exact: float | None
) -> dict[str, float | None]:
    plain = {name: number(getattr(row, name)) for name in columns}
    if exact is None:
        return plain
    return plain | {"exact": exact, "sigmas": row.sigmas(exact)}
