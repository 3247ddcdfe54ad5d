"""Numbers of a report that come from the weights: free energies and the quality of the weights."""

import math

from torch import Tensor, softmax

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


def free_energies(log_weights: Tensor, target: Tensor | None, exact: float | None) -> dict:
    """Bounds and estimate of ln Z, and the divergences, with errors, in plain numbers.

    Args:
        log_weights: Of samples of the flow, ``(n,)``.
        target: Log weights of states of the target, or None.
        exact: ln Z where it is known.
    """
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
    farthest = None if target is None else number(float(target.max()) - log_z.importance.value)
    return {"log_z_exact": exact, "target_log_weight_max": farthest} | _flat(rows)


def quality(log_weights: Tensor, target: Tensor | None) -> dict[str, float | None]:
    """Effective sample sizes, tails and acceptance; arguments are those of `free_energies`."""
    ess, share = None, float(softmax(log_weights, 0).max())
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
        "pareto_k": number(pareto_k(log_weights)),
        "forward_pareto_k": number(forward_k),
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
            (None, None) if row is None else (number(row.value), number(row.error))
        )
    return pairs


def number(value: float) -> float | None:
    """The value if it is finite, else None: JSON has no infinity and no NaN."""
    return value if math.isfinite(value) else None
