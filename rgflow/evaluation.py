"""What a flow is worth as a sampler of an energy: free energy, weights, observables, a figure."""

import math
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.energies.nodes import describe_energy
from rgflow.flow import Flow
from rgflow.reference import Reference, reference_samples
from rgflow.reports import energy_report, two_point_report
from rgflow.seeds import generator_for
from rgflow.statistics import (
    Measured,
    derived_with_error,
    effective_sample_size,
    log_z_estimates,
    metropolis_acceptance,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Reference",
    "WeightedSamples",
    "draw_weighted",
    "evaluate_energy",
    "evaluation_figure",
    "reference_report",
    "reference_samples",
]

LEAST_FOR_ESS = 10_000
"""Samples below which no effective sample size is quoted."""


class WeightedSamples(NamedTuple):
    """Independent samples of a flow with their weights towards a target, on the CPU.

    Attributes:
        samples: ``(n, C, L, L)``, float32.
        energies: ``E``, ``(n,)``, float64.
        log_weights: ``-E - log q``, ``(n,)``, float64.
    """

    samples: Tensor
    energies: Tensor
    log_weights: Tensor


@torch.no_grad()
def draw_weighted(
    flow: Flow, energy: Energy, samples: int, *, seed: int = 0, batch_size: int = 2048
) -> WeightedSamples:
    """Draws samples of a flow and weighs them.

    Args:
        flow: On any device.
        energy: The target.
        samples: n.
        seed: Of the samples; on another device, or in batches of another size, they are others.
        batch_size: Samples at a time.

    Raises:
        ValueError: If a number is not positive, or the event shapes differ.
    """
    if min(samples, batch_size) < 1:
        raise ValueError(
            f"got samples={samples} and batch_size={batch_size}, expected at least 1 and 1"
        )
    _check_shapes(flow, energy)
    generator = generator_for("evaluation", seed, device=_device(flow))
    parts = []
    for start in range(0, samples, batch_size):
        x, log_q = flow.sample_and_log_prob(min(batch_size, samples - start), generator=generator)
        energies = energy.energy(x).double()
        log_weights = -energies - log_q.double()
        parts.append((x.float().cpu(), energies.cpu(), log_weights.cpu()))
    return WeightedSamples(*(torch.cat(column) for column in zip(*parts, strict=True)))


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
    that q misses. Each has its standard error under its name with ``_error``.
    ``observables`` are reweighted, of the rows of `rgflow.reports.energy_report`.

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
    target = None if reference is None else _log_weights(flow, reference, batch_size)
    report = {
        "energy": describe_energy(energy),
        "samples": samples,
        "seconds": seconds,
        "seed": seed,
        **_free_energies(weighted.log_weights, target, energy.log_z),
        **_quality(weighted.log_weights, target),
        "observables": {name: _plain(row, tau=False) for name, row in table.items()},
    }
    if reference is None:
        return report
    chains = reference_report(energy, reference, seed=seed)
    report["reference_observables"] = chains.pop("observables")
    return report | {"reference": chains}


def reference_report(energy: Energy, reference: Reference, *, seed: int = 0) -> dict[str, Any]:
    """Report on states of a target by Monte Carlo, of plain numbers.

    ``independent_samples_per_second`` is the number of states over ``2 tau`` of the squared
    magnetization (of the spins, if the energy has them), over the seconds after the warm-up.

    Args:
        energy: The target.
        reference: Its states.
        seed: Of the spins.

    Raises:
        ValueError: If the shapes differ.
    """
    states, chains = reference.energies.shape
    table = energy_report(energy, reference.samples, reference.energies, seed=seed)
    slow = table.get("spin_m2", table["m2"]).tau
    return {
        "energy": describe_energy(energy),
        "method": reference.method,
        "states": states,
        "chains": chains,
        "acceptance": reference.acceptance,
        "seconds": reference.seconds,
        "warmup_seconds": reference.warmup_seconds,
        "independent_samples_per_second": states * chains / (2 * slow) / reference.seconds,
        "log_z_exact": energy.log_z,
        "observables": {name: _plain(row) for name, row in table.items()},
    }


def evaluation_figure(
    weighted: WeightedSamples, reference: Reference | None = None, log_z: float | None = None
) -> "Figure":
    """Samples of a flow beside those of Monte Carlo: pictures, magnetization, two-point function.

    Args:
        weighted: Samples of the flow.
        reference: States of the target.
        log_z: Exact ``ln Z``, a line in the histogram of the log weights.

    Raises:
        ValueError: If there are fewer than two samples.
    """
    from matplotlib.figure import Figure

    from rgflow import physics_plots as plots
    from rgflow.observables import magnetization

    pictures = [weighted.samples[:8, :1]]
    m = {"flow": magnetization(weighted.samples)[:, 0]}
    two_point = {"flow, reweighted": two_point_report(weighted.samples, weighted.log_weights)}
    if reference is not None:
        last = reference.samples.flatten(0, 1)[-8:, :1]
        pictures.append(last)
        m["Monte Carlo"] = magnetization(reference.samples)[..., 0]
        two_point["Monte Carlo"] = two_point_report(reference.samples)
    figure = Figure(figsize=(12, 6.5), dpi=110, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.2))
    title = "flow" if reference is None else "flow (above) and Monte Carlo (below)"
    plots.configurations_figure(torch.cat(pictures), 8, title, into=top)
    left, middle, right = bottom.subfigures(1, 3)
    m["flow, reweighted"] = m["flow"]
    weights = {"flow, reweighted": weighted.log_weights}
    plots.magnetization_histogram(m, weights, into=left)
    plots.two_point_figure(two_point, into=middle)
    plots.log_weight_histogram({"flow": weighted.log_weights}, log_z, into=right)
    return figure


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
    return {"log_z_exact": exact} | _flat(rows)


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


@torch.no_grad()
def _log_weights(flow: Flow, reference: Reference, batch_size: int) -> Tensor:
    """``-E - log q`` of the target's states, ``(T, B)``."""
    like = next(iter([*flow.parameters(), *flow.buffers()]))
    log_q = [
        flow.log_prob(x.to(like)).double().cpu()
        for x in reference.samples.flatten(0, 1).split(batch_size)
    ]
    return -reference.energies - torch.cat(log_q).view_as(reference.energies)


def _device(flow: Flow) -> torch.device:
    return next(iter([*flow.parameters(), *flow.buffers()])).device


def _check_shapes(flow: Flow, energy: Energy) -> None:
    if tuple(flow.event_shape) != tuple(energy.event_shape):
        raise ValueError(
            f"the flow samples {tuple(flow.event_shape)}, "
            f"the energy acts on {tuple(energy.event_shape)}"
        )


def _flat(rows: dict[str, Measured | None]) -> dict[str, float | None]:
    """Each value and, under its name with ``_error``, its error."""
    pairs = {}
    for name, row in rows.items():
        pairs[name], pairs[f"{name}_error"] = (
            (None, None) if row is None else (_number(row.value), _number(row.error))
        )
    return pairs


def _plain(row: Measured, tau: bool = True) -> dict[str, float | None]:
    plain = {name: _number(value) for name, value in row._asdict().items()}
    return plain if tau else {name: plain[name] for name in ("value", "error")}


def _number(value: float) -> float | None:
    """JSON has no infinity and nothing that is not a number."""
    return value if math.isfinite(value) else None
