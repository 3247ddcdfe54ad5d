"""What a flow is worth as a sampler of an energy: free energy, weights and observables."""

import math
import time
from typing import Any

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.energies.from_config import describe_energy
from rgflow.evaluation.observables_table import energy_report, two_point_report
from rgflow.evaluation.weighted_samples import draw_weighted, log_weights_of
from rgflow.flow import Flow
from rgflow.montecarlo.reference import Reference
from rgflow.runtime.counts import takes_counts
from rgflow.statistics import (
    LEAST_FOR_ESS,
    UNTRUSTED,
    Measured,
    derived_with_error,
    effective_sample_size,
    log_z_estimates,
    metropolis_acceptance,
    pareto_k,
)
from rgflow.statistics.chains import few_warnings


@few_warnings(1)
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
      makes the worst of the target's states too rare.

    Averages have their standard errors under their names with ``_error``. ``observables`` are the
    rows of `energy_report`, reweighted; those of Monte Carlo are ``reference_observables``.
    ``two_point`` and ``reference_two_point`` are G(r) for r = 0 to L/2. Where the energy offers an
    exact answer, the row has it as ``exact``, and its difference from it in standard errors as
    ``sigmas``.

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
    start = time.perf_counter()
    weighted = draw_weighted(flow, energy, samples, seed=seed, batch_size=batch_size)
    seconds = time.perf_counter() - start
    bad = samples - int(weighted.log_weights.isfinite().sum())
    if bad:
        raise ValueError(
            f"got {bad} of {samples} samples of the flow whose energy or density is not finite, "
            "expected finite numbers"
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
        ess = Measured(*effective_sample_size(log_weights)[:2])
    forward, forward_k = None, math.nan
    if target is not None and target.numel() >= LEAST_FOR_ESS:
        forward = _forward_ess(target)
        forward_k = max(pareto_k(target.flatten()), pareto_k(-target.flatten()))
        if forward_k >= UNTRUSTED:
            forward = forward._replace(error=math.inf)
    acceptance = metropolis_acceptance(log_weights)
    return {
        **_flat({"ess": ess, "forward_ess": forward}),
        "largest_share": share,
        "pareto_k": _number(pareto_k(log_weights)),
        "forward_pareto_k": _number(forward_k),
        "acceptance": acceptance,
    }


def _forward_ess(target: Tensor) -> Measured:
    """``1 / (<w>_p <1/w>_p)`` from the log weights of the target's states, ``(T, B)``."""
    low, high = target.min(), target.max()
    scale = (low - high).exp()  # so that neither w nor 1/w overflows
    return derived_with_error(
        lambda w, inverse: scale / (w * inverse), (target - high).exp(), (low - target).exp()
    )


def _flat(rows: dict[str, Measured | None]) -> dict[str, float | None]:
    """Each value under its name, and its error under the name with ``_error``."""
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
    return plain | {"exact": exact, "sigmas": row.sigmas(exact)}


def _number(value: float) -> float | None:
    """The value if it is finite, else None: JSON has no infinity and no NaN."""
    return value if math.isfinite(value) else None
