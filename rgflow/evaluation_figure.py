"""One figure of a flow beside Monte Carlo."""

from typing import TYPE_CHECKING

import torch

from rgflow import physics_plots as plots
from rgflow.observables import magnetization
from rgflow.reference import Reference
from rgflow.reports import two_point_report
from rgflow.weighted import WeightedSamples

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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

    pictures = [weighted.samples[:8, :1]]
    m = {"flow as drawn": magnetization(weighted.samples)[:, 0]}
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
    m["flow"] = m["flow as drawn"]
    weights = {"flow": weighted.log_weights}
    plots.magnetization_histogram(m, weights, into=left)
    plots.two_point_figure(two_point, into=middle)
    plots.log_weight_histogram({"flow": weighted.log_weights}, log_z, into=right)
    return figure


def reference_figure(reference: Reference) -> "Figure":
    """States of a target by Monte Carlo: pictures, magnetization, two-point function.

    Args:
        reference: The states.

    Raises:
        ValueError: If there are fewer than two.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), dpi=110, layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.9))
    last = reference.samples.flatten(0, 1)[-8:, :1]
    plots.configurations_figure(last, 8, f"Monte Carlo ({reference.method})", into=top)
    left, right = bottom.subfigures(1, 2)
    m = magnetization(reference.samples)[..., 0]
    plots.magnetization_histogram({"Monte Carlo": m}, into=left)
    plots.two_point_figure({"Monte Carlo": two_point_report(reference.samples)}, into=right)
    return figure
