"""A flow and Monte Carlo side by side, from their reports."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from rgflow.energies.from_config import same_energy
from rgflow.evaluation.summary import cautions, shown
from rgflow.montecarlo.reference import needs_flow
from rgflow.statistics import LEAST_FOR_ESS

Report = Mapping[str, Any]


class Rates(NamedTuple):
    """Independent samples per second of a flow and of Monte Carlo.

    Attributes:
        flow: Rate of the flow, ``ess * samples / seconds``.
        flow_error: Its standard error, from that of the effective sample size; infinite where
            that is not known.
        chains: Rate of the chains, ``states / (2 tau) / seconds``.
        flow_with_training: Rate of the flow if the seconds of its training count as well.
        chains_with_training: The same for chains that a flow makes fast; None for other chains.
        break_even: Number of independent samples after which the flow has paid for its training;
            infinite where it never does, None for chains that need the training as well.
    """

    flow: float
    flow_error: float
    chains: float
    flow_with_training: float | None = None
    chains_with_training: float | None = None
    break_even: float | None = None


def sampling_rates(flow: Report, chains: Report, training: float | None = None) -> Rates:
    """Independent samples per second of both.

    Args:
        flow: The flow's report, of `rgflow.evaluation.fields.evaluate_energy`.
        chains: The chains' report, of `rgflow.evaluation.fields.reference_report`.
        training: Seconds of the flow's training, if rates with it are wanted.

    Raises:
        ValueError: If the energies differ, the flow's report has no effective sample size, or the
            training time is negative.
    """
    _check_same_energy(flow, chains)
    if flow["ess"] is None:
        raise ValueError(
            f"got a flow's report on {flow['samples']} samples without an effective sample size, "
            f"expected at least {LEAST_FOR_ESS} samples"
        )
    if training is not None and not 0 <= training < math.inf:
        raise ValueError(f"training time: got {training} seconds, expected a number >= 0")
    per_second = flow["samples"] / flow["seconds"]
    error = math.inf if flow["ess_error"] is None else flow["ess_error"]
    rate, error = flow["ess"] * per_second, error * per_second
    other = chains["independent_samples_per_second"]
    if training is None:
        return Rates(rate, error, other)
    with_training = rate * flow["seconds"] / (flow["seconds"] + training)
    if needs_flow(chains["method"]):
        trained = other * chains["seconds"] / (chains["seconds"] + training)
        return Rates(rate, error, other, with_training, trained)
    # training + n / rate = warmup + n / other
    ahead = training - chains["warmup_seconds"]
    slower = 1 / other - 1 / rate
    break_even = max(0.0, ahead / slower) if slower > 0 else math.inf
    return Rates(rate, error, other, with_training, None, break_even)


def comparison_table(flow: Report, chains: Report, training: float | None = None) -> str:
    """Observables and G(r) of both with their difference in standard errors, then rates, as text.

    Args:
        flow: The flow's report, of `rgflow.evaluation.fields.evaluate_energy`.
        chains: The chains' report, of `rgflow.evaluation.fields.reference_report`.
        training: Seconds of the flow's training, if rates with it are wanted.

    Raises:
        ValueError: As `sampling_rates` does.
    """
    rates = sampling_rates(flow, chains, training)
    title = _line("observable", "flow, reweighted", _title(chains))
    lines = [f"{title}{'sigmas':>8}{'exact':>14}"]
    measured = rows_by_name(chains)
    for name, mine in rows_by_name(flow).items():
        other = measured.get(name)
        if other is not None:
            difference = _sigmas(mine, other)
            apart = "-" if difference is None else f"{difference:.1f}"
            exact = f"{mine['exact']:.6g}" if "exact" in mine else ""
            row = _line(name, *(shown(one["value"], one["error"]) for one in (mine, other)))
            lines.append(f"{row}{apart:>8}{exact:>14}".rstrip())
    if any(name.startswith("field_") for name in measured):
        lines.append("field_...: of the auxiliary field x; the rows above: of the spins or angles")
    lines += ["", *_quality(flow), "", *_speeds(rates)]
    warnings = [*cautions(flow), *_unlike(flow, chains)]
    return "\n".join([*lines, "", *warnings] if warnings else lines)


def _unlike(flow: Report, chains: Report) -> list[str]:
    """A warning if the reports say that the rates were measured on different hardware."""
    for name in ("device", "threads"):
        mine, theirs = flow.get(name), chains.get(name)
        if None not in (mine, theirs) and mine != theirs:
            return [
                f"warning: the rates cannot be compared, {name} of the flow: {mine}, of the "
                f"chains: {theirs}"
            ]
    return []


def _title(chains: Report) -> str:
    titles = {
        "metropolis": "flow, Metropolis",
        "latent_hmc": "flow, latent HMC",
        "hybrid": "flow, hybrid",
    }
    return titles.get(chains["method"], f"Monte Carlo ({chains['method']})")


def _line(name: str, flow: str, chains: str = "") -> str:
    return f"{name:<31}{flow:>24}{chains:>24}"


def rows_by_name(report: Report, whose: str = "") -> dict[str, Report]:
    """The rows of observables by name, then those of the two-point function.

    Args:
        report: Of a flow or of chains.
        whose: ``"reference_"`` for the rows of Monte Carlo in the report of a flow.
    """
    points = report.get(f"{whose}two_point", ())
    named = {f"G(r = {point['r']})": point for point in points}
    return dict(report.get(f"{whose}observables", {})) | named


def _quality(flow: Report) -> list[str]:
    """Lines of ln Z, divergences and effective sample sizes, which only a flow has."""
    names = {
        "log_z_lower": "ln Z, lower bound",
        "log_z_importance": "ln Z, importance sampling",
        "log_z_upper": "ln Z, upper bound",
        "kl_nats": "KL(q||p), nats",
        "forward_kl_nats": "KL(p||q), nats",
        "ess": "effective sample size",
        "forward_ess": "forward effective sample size",
    }
    lines = [
        _line(label, shown(flow[name], flow[f"{name}_error"])).rstrip()
        for name, label in names.items()
        if flow.get(name) is not None
    ]
    if flow.get("log_z_exact") is None:
        return lines
    return [_line("ln Z, exact", f"{flow['log_z_exact']:.9g}").rstrip(), *lines]


def _speeds(rates: Rates) -> list[str]:
    lines = [
        _line(
            "independent samples per second",
            shown(rates.flow, rates.flow_error),
            f"{rates.chains:.4g}",
        )
    ]
    if rates.flow_with_training is not None:
        trained = rates.chains_with_training
        chains = "" if trained is None else f"{trained:.4g}"
        lines.append(
            _line("the same, training included", f"{rates.flow_with_training:.4g}", chains)
        )
    if rates.break_even is not None:
        if math.isinf(rates.break_even):
            lines.append("the flow's training is never paid for: chains are faster")
        else:
            lines.append(_line("training is paid for after", f"{rates.break_even:.4g} samples"))
    return [line.rstrip() for line in lines]


def _check_same_energy(flow: Report, chains: Report) -> None:
    a, b = flow["energy"], chains["energy"]
    if not same_energy(a, b):
        raise ValueError(f"got reports on different energies: {json.dumps(a)}, {json.dumps(b)}")


def _sigmas(a: Report, b: Report) -> float | None:
    """Difference of two rows over its standard error; None where a number is not known."""
    if None in (a["value"], a["error"], b["value"], b["error"]):
        return None
    error = math.hypot(a["error"], b["error"])
    return (a["value"] - b["value"]) / error if error > 0 else None
