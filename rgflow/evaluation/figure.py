"""Figures of a report: a flow beside Monte Carlo, or Monte Carlo alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.evaluation.observables_table import PART, two_point_report
from rgflow.evaluation.physical_variables import configurations, kind_of, vectors
from rgflow.evaluation.weighted_samples import WeightedSamples
from rgflow.montecarlo.reference import Reference
from rgflow.observables import magnetization
from rgflow.plotting import fields as plots
from rgflow.runtime.seeds import generator_for
from rgflow.statistics.chain_warnings import few_warnings

if TYPE_CHECKING:
    from matplotlib.figure import Figure, FigureBase

SHOWN = 8
"""Number of configurations that are shown of each source."""


@few_warnings(1)
def evaluation_figure(
    energy: Energy, weighted: WeightedSamples, reference: Reference | None = None
) -> "Figure":
    """Samples of a flow beside those of Monte Carlo: pictures, magnetization, two-point function.

    All of them show the physical variables that the energy offers, such as spins or angles, and
    not the auxiliary field.

    Args:
        energy: The target.
        weighted: Samples of the flow.
        reference: States of the target.

    Raises:
        ValueError: If there are fewer than two samples, or some weights are not finite.
    """
    from matplotlib.figure import Figure

    drawn = _magnetizations(energy, weighted.samples)
    m = {"flow": drawn}
    points = two_point_report(energy, weighted.samples, weighted.log_weights)
    two_point = {"flow, reweighted": points}
    pictures = [_pictures(energy, weighted.samples[:SHOWN])]
    if reference is not None:
        m["Monte Carlo"] = _magnetizations(energy, reference.samples)
        two_point["Monte Carlo"] = two_point_report(energy, reference.samples)
        pictures.append(_pictures(energy, reference.samples.flatten(0, 1)[-SHOWN:]))
    m["flow as drawn"] = drawn
    figure = Figure(figsize=(12, 5.2 if reference is None else 6.5), dpi=110, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(0.6 if reference is None else 1, 1.2))
    title = "flow" if reference is None else "flow (above) and Monte Carlo (below)"
    title += _component(pictures[0])
    pictures = torch.cat([v[:, :1] for v in pictures])
    plots.configurations_figure(pictures, SHOWN, title, kind=kind_of(energy), into=top)
    left, middle, right = bottom.subfigures(1, 3)
    weights = {"flow": weighted.log_weights}
    _magnetization_histogram(energy, m, weights, left)
    plots.two_point_figure(two_point, energy.exact_two_point(), into=middle)
    plots.log_weight_histogram(weights, energy.log_z, into=right)
    return figure


@few_warnings(1)
def reference_figure(energy: Energy, reference: Reference) -> "Figure":
    """States of a target by Monte Carlo: pictures, magnetization, two-point function.

    Args:
        energy: The target.
        reference: The states.

    Raises:
        ValueError: If there are fewer than two.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), dpi=110, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.9))
    last = _pictures(energy, reference.samples.flatten(0, 1)[-SHOWN:])
    title = f"Monte Carlo ({reference.method}){_component(last)}"
    plots.configurations_figure(last[:, :1], SHOWN, title, kind=kind_of(energy), into=top)
    left, right = bottom.subfigures(1, 2)
    m = {"Monte Carlo": _magnetizations(energy, reference.samples)}
    _magnetization_histogram(energy, m, {}, left)
    two_point = {"Monte Carlo": two_point_report(energy, reference.samples)}
    plots.two_point_figure(two_point, energy.exact_two_point(), into=right)
    return figure


def rarest_figure(energy: Energy, reference: Reference, which: Sequence[int]) -> "Figure":
    """The states of the target that a flow makes too rare, above as many typical ones.

    Args:
        energy: The target.
        reference: States of the target.
        which: Numbers of the rarest, see `rarest_report`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.5), dpi=110, layout="constrained")
    above, below = figure.subfigures(2, 1)
    states = reference.samples.flatten(0, 1)
    rarest = _pictures(energy, states[list(which[: 2 * SHOWN])])
    last = _pictures(energy, states[-2 * SHOWN :])
    parts = ((above, rarest, "states that the flow makes too rare"), (below, last, "any states"))
    for part, pictures, title in parts:
        title += _component(pictures)
        kind = kind_of(energy)
        plots.configurations_figure(pictures[:, :1], SHOWN, title, kind=kind, into=part)
    return figure


def _pictures(energy: Energy, x: Tensor) -> Tensor:
    """The configurations of fields, ``(n, C, L, L) -> (n, C', L, L)``."""
    return configurations(energy, x, generator_for("pictures"))


def _component(pictures: Tensor) -> str:
    """Which component of configurations is shown, as part of a title."""
    return ", first component" if pictures.shape[1] > 1 else ""


def _magnetizations(energy: Energy, x: Tensor) -> Tensor:
    """The magnetization of every field, ``(..., C, L, L) -> (n, C')``."""
    generator = generator_for("magnetizations")
    parts = x.flatten(0, -4).split(PART)
    return torch.cat([magnetization(vectors(energy, part, generator)) for part in parts])


def _magnetization_histogram(
    energy: Energy, m: dict[str, Tensor], weights: dict[str, Tensor], into: "FigureBase"
) -> None:
    """Draws m of one component, or its length |m| of several."""
    sites = energy.event_shape[-2] * energy.event_shape[-1]
    is_vector = next(iter(m.values())).shape[1] > 1
    plots.magnetization_histogram(
        {name: v.norm(dim=1) if is_vector else v[:, 0] for name, v in m.items()},
        weights,
        spins=sites if kind_of(energy) == "spins" else None,
        length=is_vector,
        into=into,
    )
