"""Reports of flows in a few lines for a reader."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from rgflow.statistics import (
    LEAST_FOR_ESS,
    UNTRUSTED,
    ExactValueWarning,
    FewSamplesWarning,
    ForwardWarning,
    HeavyTailWarning,
    StatisticsWarning,
)

LEAST_ESS = 0.01
"""Below this effective sample size, averages are those of a few samples."""
LARGEST_SHARE = 0.1
"""The same if one sample has more than this share of all weight."""
FEW_SAMPLES = (
    "the importance estimate and the reweighted observables are not to be trusted, "
    "a few samples have most of the weight"
)
FORWARD_RATIO = 0.5
"""Least ratio of the forward effective sample size to the other; both estimate one number."""
SIGMAS = 3.0
"""Standard errors by which an estimate may be off its exact value."""
ROUNDING = 1e-6
"""Error of ln Z by single precision, relative to it, where the standard errors are smaller."""


def evaluation_summary(report: Mapping[str, Any]) -> str:
    """Free energies, quality of the weights and m^2 of a report, as text of a few lines.

    The last lines are the warnings of `cautions`.

    Args:
        report: A report of `rgflow.evaluation.fields.evaluate_energy`.
    """
    energy = report["energy"]
    shape = " x ".join(map(str, energy["event_shape"]))
    lines = [
        f"{energy['name']}, {shape}: {report['samples']} samples in {report['seconds']:.3g} s",
        f"ln Z      {_bounds(report)}",
        *_divergences(report),
        f"weights   {_weights(report)}",
        f"m2        {_squared_magnetization(report)}",
        *_phases(report),
        *_rarest(report),
    ]
    return "\n".join([*lines, *cautions(report)])


def _rarest(report: Mapping[str, Any]) -> Iterator[str]:
    """What the states are that the flow makes too rare."""
    if (rarest := report.get("rarest")) is None:
        return
    yield (
        f"rarest    of {rarest['of']} states of the target the worst is "
        f"{report['target_log_weight_max']:.3g} nats too rare"
    )
    for row in rarest["properties"]:
        value, other = (shown(row[f"{p}value"], row[f"{p}error"]) for p in ("", "typical_"))
        yield f"          {row['name']} {value} in the {rarest['count']} rarest, {other} in all"


def cautions(report: Mapping[str, Any]) -> list[str]:
    """The texts of `report_warnings`, each a line that begins with ``warning:``."""
    return [f"warning: {reason}" for reason in report_warnings(report)]


def report_warnings(report: Mapping[str, Any]) -> list[StatisticsWarning]:
    """Reasons not to trust a report, of the classes of `rgflow.statistics.warning_classes`.

    * The effective sample size is below 1%, or one sample has more than 10% of all weight:
      importance estimates are those of a few samples.
    * The weights, or their squares for the effective sample size, have a tail from Pareto k = 0.7
      on, where averages are not to be trusted.
    * The effective sample size is less than twice its error: single samples decide it.
    * The forward effective sample size is, by more than two of its errors, less than half of the
      other: states of the target lie where the flow hardly goes, which its own samples do not
      tell, or Monte Carlo is not in equilibrium.
    * An estimate whose exact value is known is more than three standard errors off.

    Args:
        report: A report of `rgflow.evaluation.fields.evaluate_energy`.
    """
    few = [] if _has_many_samples(report) else [FewSamplesWarning(FEW_SAMPLES)]
    found: list[StatisticsWarning] = [*few, *_heavy_tail(report)]
    ess, forward = report.get("ess"), report.get("forward_ess")
    error = report.get("ess_error") or 0.0
    if ess is not None and ess < 2 * error:
        text = f"the ESS {ess:.2g} has an error of {error:.2g}: single samples decide it"
        found.append(FewSamplesWarning(text))
    highest = math.inf if forward is None else forward + 2 * (report["forward_ess_error"] or 0.0)
    if ess is not None and highest < FORWARD_RATIO * ess:
        text = (
            f"the forward ESS {forward:.2g} contradicts the ESS {ess:.2g}: states of the "
            "target lie where the flow hardly goes, or Monte Carlo is not in equilibrium; if it "
            "is, ESS, importance estimate and reweighted observables are not to be trusted"
        )
        found.append(ForwardWarning(text))
    elif (k := report.get("forward_pareto_k")) is not None and k >= UNTRUSTED:
        text = (
            f"over the target the weights have a tail of Pareto k = {k:.2f}: the forward "
            f"ESS is not to be trusted, the limit is {UNTRUSTED}"
        )
        found.append(HeavyTailWarning(text))
    off = [f"{name} by {number:+.1f}" for name, number in _sigmas(report) if abs(number) > SIGMAS]
    if off:
        text = f"off its exact value, in standard errors: {', '.join(off)}"
        found.append(ExactValueWarning(text))
    return found


def _sigmas(report: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Names of estimates whose exact value is known, and their differences in standard errors."""
    exact, value, error = (
        report.get(name) for name in ("log_z_exact", "log_z_importance", "log_z_importance_error")
    )
    if None not in (exact, value, error) and error > 0:
        is_rounding = abs(value - exact) <= ROUNDING * max(1.0, abs(exact))
        yield "ln Z", 0.0 if is_rounding else (value - exact) / error
    for name, row in report["observables"].items():
        if row.get("sigmas") is not None:
            yield name, row["sigmas"]
    for row in report.get("two_point", ()):
        if row.get("sigmas") is not None:
            yield f"G(r = {row['r']})", row["sigmas"]


def is_trustworthy(report: Mapping[str, Any]) -> bool:
    """Whether the weighted averages of a report are over many samples, without a heavy tail."""
    k = report.get("pareto_k")
    return _has_many_samples(report) and (k is None or k < UNTRUSTED)


def _has_many_samples(report: Mapping[str, Any]) -> bool:
    ess = report["ess"]
    return (ess is None or ess >= LEAST_ESS) and report["largest_share"] <= LARGEST_SHARE


def _heavy_tail(report: Mapping[str, Any]) -> list[StatisticsWarning]:
    """What the tail of the weights, and that of their squares, do not let be trusted."""
    k = report.get("pareto_k")
    if k is None or 2 * k < UNTRUSTED:
        return []
    if k < UNTRUSTED:
        text = (
            f"the weights have a tail of Pareto k = {k:.2f}: the ESS is not to be trusted, "
            f"the limit for it is {UNTRUSTED / 2:g}"
        )
    else:
        text = (
            f"the weights have a tail of Pareto k = {k:.2f}: ESS, importance estimate and "
            f"reweighted observables are not to be trusted, the limit is {UNTRUSTED}"
        )
    return [HeavyTailWarning(text)]


def shown(value: float | None, error: float | None) -> str:
    """A number with its standard error, rounded to the second digit of the error.

    A number without an error stands alone, and a dash for what could not be measured.

    >>> shown(60.14178123, 0.00123), shown(0.5, None), shown(None, None), shown(math.nan, 0.1)
    ('60.1418 ± 0.0012', '0.5', '-', '-')
    """
    if value is None or math.isnan(value):
        return "-"
    if error is None or not math.isfinite(error):
        return f"{value:.6g}"
    digits = 6
    if value and error > 0:
        digits = _magnitude(value) - _magnitude(error) + 2
    return f"{_significant(value, min(digits, 12))} ± {_significant(error, 2)}"


def _magnitude(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _significant(value: float, digits: int) -> str:
    """The value with that number of significant digits, or all of those before the point."""
    least = _magnitude(value) + 1 if value else 1
    return f"{value:.{max(digits, least, 1)}g}"


def _bounds(report: Mapping[str, Any]) -> str:
    parts = [f"lower {_of(report, 'log_z_lower')} <= {_of(report, 'log_z_importance')}"]
    if report["log_z_upper"] is not None:
        parts.append(f" <= upper {_of(report, 'log_z_upper')}")
    if report["log_z_exact"] is not None:
        parts.append(f" (exact {report['log_z_exact']:.9g})")
    return "".join(parts)


def _divergences(report: Mapping[str, Any]) -> list[str]:
    """The line of both divergences; no line where ln Z is not known."""
    names = {"kl_nats": "KL(q||p)", "forward_kl_nats": "KL(p||q)"}
    known = [
        f"{label} {_of(report, name)}" for name, label in names.items() if report[name] is not None
    ]
    return [f"nats      {', '.join(known)}"] if known else []


def _weights(report: Mapping[str, Any]) -> str:
    parts = {"acceptance": report["acceptance"], "largest share": report["largest_share"]}
    sizes = f"ESS {_of(report, 'ess')}"
    if report["samples"] < LEAST_FOR_ESS:
        sizes = f"ESS - (it takes {LEAST_FOR_ESS} samples)"
    if report["forward_ess"] is not None:
        sizes += f", forward ESS {_of(report, 'forward_ess')}"
    if report.get("pareto_k") is not None:
        parts["Pareto k"] = report["pareto_k"]
    return ", ".join([sizes, *(f"{label} {value:.3g}" for label, value in parts.items())])


def _squared_magnetization(report: Mapping[str, Any]) -> str:
    row = report["observables"]["m2"]
    parts = [f"{shown(row['value'], row['error'])} reweighted"]
    if "reference_observables" in report:
        other = report["reference_observables"]["m2"]
        method = report["reference"]["method"]
        parts.append(f"{shown(other['value'], other['error'])} Monte Carlo ({method})")
    if "exact" in row:
        parts.append(f"{row['exact']:.6g} exact")
    return ", ".join(parts)


def _phases(report: Mapping[str, Any]) -> list[str]:
    """The line of the symmetry U(1); no line where the target has none."""
    phases = report.get("phases")
    if phases is None:
        return []
    resultants = ", ".join(f"{resultant:.2g}" for resultant in phases["resultants"])
    return [
        f"phases    log q changes by {_of(phases, 'spread_nats')} nats when they turn; "
        f"|<exp(i n theta)>| {resultants} (uniform {phases['resultant_of_uniform_phases']:.1g})"
    ]


def _of(report: Mapping[str, Any], name: str) -> str:
    return shown(report[name], report[f"{name}_error"])
