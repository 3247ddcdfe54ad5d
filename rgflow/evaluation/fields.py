"""What a flow is worth as a sampler of an energy: free energy, weights, observables, a figure."""

import math
import time
from typing import Any

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.energies.from_config import describe_energy
from rgflow.evaluation.exact_values import exact_observables, exact_two_point, sigmas
from rgflow.evaluation.observables_table import energy_report, two_point_report
from rgflow.evaluation.weighted_samples import (
    draw_weighted,
    log_weights_of,
)
from rgflow.flow import Flow
from rgflow.montecarlo.reference import Reference
from rgflow.statistics import (
    Measured,
    derived_with_error,
    effective_sample_size,
    log_z_estimates,
    metropolis_acceptance,
)
from rgflow.statistics.chains import few_warnings

LEAST_FOR_ESS = 10_000
"""Samples below which no effective sample size is quoted."""


@few_warnings(1)
def evaluate_energy(
    flow: Flow,
    energy: Energy,
    *,
    samples: int = 100_000,
    reference: Reference | None = None,
    seed: int = 0,
    batch_size: int = 2048,
) -> dict[str, Any]:
    """Report on a flow trained on an energy, of plain numbers; None for what is not known.

    With ``log w = -E - log q``, q the flow and p the target:
    ``free_energy_bound = <log q + E>_q >= -ln Z``; ``log_z_lower = <log w>_q``,
    ``log_z_importance = ln <w>_q``, ``log_z_upper = <log w>_p``; ``kl_nats = ln Z - log_z_lower``
    is KL(q||p), ``forward_kl_nats = log_z_upper - ln Z`` is KL(p||q); ``ess``, ``largest_share``
    and ``acceptance`` as in `rgflow.statistics`; ``forward_ess = 1 / (<w>_p <1/w>_p)`` sees modes
    that q misses, and ``target_log_weight_max = max_p log w - log_z_importance`` by how many nats
    it has the worst of these states too rare. Averages have their standard errors under their
    names with ``_error``.
    ``observables`` are the rows of `energy_report`, reweighted; those of Monte Carlo are
    ``reference_observables``. ``two_point`` and ``reference_two_point`` are G(r) for
    r = 0 to L/2. Where the answer is known a row has it as ``exact``, and its difference from that
    in standard errors as ``sigmas``.

    Args:
        flow: The flow.
        energy: The target.
        samples: Of the flow; at least 10,000 for an ``ess``.
        reference: States of the target, for all that is an average over p.
        seed: Of the samples.
        batch_size: Samples at a time.

    Raises:
        ValueError: If a number is not positive, shapes differ, or samples of the flow have an
            energy or a density that is not finite.
    """
    start = time.perf_counter()
    weighted = draw_weighted(flow, energy, samples, seed=seed, batch_size=batch_size)
    seconds = time.perf_counter() - start
    bad = samples - int(weighted.log_weights.isfinite().sum())
    if bad:
        raise ValueError(
            f"got {bad} of {samples} samples of the flow whose energy or density is not finite"
        )
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
        **_free_energies(weighted.log_weights, target, energy.log_z),
        **_quality(weighted.log_weights, target),
        "observables": _observables(energy, table, ("value", "error")),
        "two_point": _two_point(energy, points),
    }
    if reference is None:
        return report
    chains = reference_report(energy, reference, seed=seed)
    for name in ("observables", "two_point"):
        report[f"reference_{name}"] = chains.pop(name)
    return report | {"reference": chains}


@few_warnings(1)
def reference_report(energy: Energy, reference: Reference, *, seed: int = 0) -> dict[str, Any]:
    """Report on states of a target by Monte Carlo, of plain numbers.

    ``independent_samples_per_second`` is the number of states over ``2 tau``, over the seconds
    after the warm-up. ``tau`` is the larger one of m^2 and of the energy, both of the spins if the
    energy has them. ``observables`` and ``two_point`` are as in `evaluate_energy`.

    Args:
        energy: The target.
        reference: Its states.
        seed: Of the spins.

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
    exact = exact_observables(energy)
    return {name: _plain(row, columns, exact.get(name)) for name, row in table.items()}


def _two_point(energy: Energy, points: list[Measured]) -> list[dict[str, float | None]]:
    exact = exact_two_point(energy)
    answers = [None] * len(points) if exact is None else exact.tolist()
    rows = (
        _plain(row, ("value", "error"), answer)
        for row, answer in zip(points, answers, strict=True)
    )
    return [{"r": r} | row for r, row in enumerate(rows)]


def _free_energies(log_weights: Tensor, target: Tensor | None, exact: float | None) -> dict:
    log_z = log_z_estimates(log_weights, target)
    lower, upper = log_z.lower, log_z.upper
    rows = {
        "free_energy_bound": Measured(-lower.value, lower.error),
        "log_z_lower": lower,
        "log_z_importance": log_z.importance,
        "log_z_upper": upper,
        "kl_nats": None if exact is None else Measured(exact - lower.value, lower.error),
        "forward_kl_nats": (
            None if exact is None or upper is None else Measured(upper.value - exact, upper.error)
        ),
    }
    farthest = None if target is None else _number(float(target.max()) - log_z.importance.value)
    return {"log_z_exact": exact, "target_log_weight_max": farthest} | _flat(rows)


def _quality(log_weights: Tensor, target: Tensor | None) -> dict[str, float | None]:
    ess, share = None, float(torch.softmax(log_weights, 0).max())
    if len(log_weights) >= LEAST_FOR_ESS:
        ess = Measured(*effective_sample_size(log_weights, minimum=LEAST_FOR_ESS)[:2])
    forward = None
    if target is not None and target.numel() >= LEAST_FOR_ESS:
        forward = _forward_ess(target)
    acceptance = metropolis_acceptance(log_weights)
    return {
        **_flat({"ess": ess, "forward_ess": forward}),
        "largest_share": share,
        "acceptance": acceptance,
    }


def _forward_ess(target: Tensor) -> Measured:
    """From log weights of the target's states, ``(T, B)``."""
    low, high = target.min(), target.max()
    scale = (low - high).exp()  # so that neither w nor 1/w overflows
    return derived_with_error(
        lambda w, inverse: scale / (w * inverse), (target - high).exp(), (low - target).exp()
    )


def _flat(rows: dict[str, Measured | None]) -> dict[str, float | None]:
    """Each value and, under its name with ``_error``, its error."""
    pairs = {}
    for name, row in rows.items():
        pairs[name], pairs[f"{name}_error"] = (
            (None, None) if row is None else (_number(row.value), _number(row.error))
        )
    return pairs


def _plain(
    row: Measured, columns: tuple[str, ...], exact: float | None
) -> dict[str, float | None]:
    plain = {name: _number(getattr(row, name)) for name in columns}
    if exact is None:
        return plain
    return plain | {"exact": exact, "sigmas": sigmas(row.value, row.error, exact)}


def _number(value: float) -> float | None:
    """JSON has no infinity and nothing that is not a number."""
    return value if math.isfinite(value) else None
