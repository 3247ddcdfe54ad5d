"""Labelled figures of lattice fields and of the statistics of their samplers."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rgflow.energies.physical import Kind
from rgflow.statistics import Measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure, FigureBase


def configurations_figure(
    fields: Tensor,
    columns: int = 4,
    title: str = "",
    kind: Kind = "field",
    into: "FigureBase | None" = None,
) -> "FigureBase":
    """Configurations side by side, with one common scale of colours.

    Args:
        fields: ``(n, H, W)`` or ``(n, 1, H, W)``: one component of a field, spins of +1 and -1,
            or angles in [-pi, pi].
        columns: Pictures in a row.
        title: Title over the figure.
        kind: Which of these they are; the colours of angles close to a circle.
        into: Part of a larger figure in which to draw; a figure of its own if None.

    Raises:
        ValueError: For another shape, or no configuration.
    """
    fields = fields.detach().cpu()
    if fields.dim() == 4 and fields.shape[1] == 1:
        fields = fields[:, 0]
    if fields.dim() != 3 or not len(fields) or columns < 1:
        raise ValueError(
            f"got fields of shape {tuple(fields.shape)} in {columns} columns, "
            "expected (n, H, W) or (n, 1, H, W)"
        )
    columns = min(columns, len(fields))
    rows = -(-len(fields) // columns)
    figure = into or _figure((1.5 * columns + 1, 1.5 * rows + 0.4))
    axes = figure.subplots(rows, columns, squeeze=False)
    colours, bound, ticks = _scale(fields, kind)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.set_visible(False)
    for axis, field in zip(axes.flat, fields, strict=False):
        axis.set_visible(True)
        picture = axis.imshow(
            field.numpy(), cmap=colours, vmin=-bound, vmax=bound, interpolation="nearest"
        )
    label = {"field": "field", "spins": "spin", "angles": "angle"}[kind]
    bar = figure.colorbar(picture, ax=axes, label=label, shrink=0.9)
    if ticks:
        bar.set_ticks(list(ticks), labels=list(ticks.values()))
    figure.suptitle(title)
    return figure


def magnetization_histogram(
    magnetizations: Mapping[str, Tensor],
    log_weights: Mapping[str, Tensor] | None = None,
    bins: int = 41,
    exact: Tensor | None = None,
    spins: int | None = None,
    length: bool = False,
    into: "FigureBase | None" = None,
) -> "FigureBase":
    """Densities of the magnetization per site from several sources, overlaid.

    Args:
        magnetizations: The values of m of each source by its name, of any number and shape.
        log_weights: One log weight for each value, for some of the names.
        bins: Number of bins, which all sources share and which are symmetric about 0; for spins
            their number is about this.
        exact: Points ``(m, density)`` of a known curve, ``(k, 2)``.
        spins: Number of spins of +1 and -1 of which m is the mean, if it is one. Each bin then
            holds equally many of the values that m can have.
        length: Whether the values are lengths ``|m|`` of vectors.
        into: Part of a larger figure in which to draw; a figure of its own if None.

    Raises:
        ValueError: If there is nothing to show, a log weight has no name in the first argument,
            or the numbers of values and weights differ.
    """
    log_weights = log_weights or {}
    if not magnetizations or not set(log_weights) <= set(magnetizations):
        raise ValueError(
            f"got magnetizations of {list(magnetizations)} and weights of {list(log_weights)}, "
            "expected at least one source, and weights for some of them"
        )
    values = {name: m.detach().double().flatten().cpu() for name, m in magnetizations.items()}
    bound = max(float(m.abs().max()) for m in values.values()) * 1.02 or 1.0
    if spins:
        edges = _edges_of_spins(bound, bins, spins)
    else:
        edges = torch.linspace(0 if length else -bound, bound, bins + 1, dtype=torch.float64)
    figure = into or _figure((5, 3.5))
    axis = figure.subplots()
    tops: dict[bool, list[float]] = {False: [], True: []}
    for name, m in values.items():
        share = torch.full_like(m, 1 / len(m))
        if name in log_weights:
            share = torch.softmax(log_weights[name].detach().double().flatten().cpu(), 0)
            if share.shape != m.shape:
                raise ValueError(f"{name}: got {len(share)} weights for {len(m)} values")
        heights = torch.histogram(m, edges, weight=share, density=True).hist
        label = f"{name}, reweighted" if name in log_weights else name
        steps = axis.stairs(heights.numpy(), edges.numpy(), label=label, linewidth=1.3)
        steps.set_zorder(2 - 0.1 * len(axis.patches))  # the first source is on top
        tops[name in log_weights].append(float(heights.max()))
    if exact is not None:
        axis.plot(*exact.cpu().unbind(1), "k--", linewidth=1, label="exact")
    name = "|m|" if length else "m"
    axis.set(xlabel=f"magnetization per site {name}", ylabel="probability density")
    # spikes of a few samples with most of the weight should not flatten all the rest
    flattens = tops[False] and max(tops[True], default=0.0) > 2 * max(tops[False])
    axis.set_ylim(0, 2 * max(tops[False]) if flattens else None)
    _legend_above(axis)
    return figure


def two_point_figure(
    sources: Mapping[str, Sequence[Measured]],
    exact: Tensor | None = None,
    log: bool = False,
    into: "FigureBase | None" = None,
) -> "FigureBase":
    """Two-point function along the axes with error bars, and the exact one as a line.

    Args:
        sources: ``G(r)`` of each source by its name, at r = 0, 1, ...
        exact: Exact ``G(r)`` at the same distances, if it is known.
        log: Whether the vertical axis is logarithmic.
        into: Part of a larger figure in which to draw; a figure of its own if None.

    Raises:
        ValueError: If there is nothing to show.
    """
    if not sources:
        raise ValueError("got no two-point function, expected one or more")
    figure = into or _figure((5, 3.5))
    axis = figure.subplots()
    if exact is not None:
        axis.plot(range(len(exact)), exact.cpu().numpy(), "k-", linewidth=1, label="exact")
    for i, (name, points) in enumerate(sources.items()):
        # sources lie side by side, since their error bars would cover each other
        distances = [r + 0.08 * (i - (len(sources) - 1) / 2) for r in range(len(points))]
        values, errors = [p.value for p in points], [p.error for p in points]
        axis.errorbar(distances, values, errors, fmt="o", markersize=3, capsize=2, label=name)
    axis.set(xlabel="distance r (lattice spacings)", ylabel="G(r)")
    axis.xaxis.get_major_locator().set_params(integer=True)
    if log:
        axis.set_yscale("log")
    _legend_above(axis)
    return figure


def log_weight_histogram(
    log_weights: Mapping[str, Tensor],
    log_z: float | None = None,
    bins: int = 60,
    into: "FigureBase | None" = None,
) -> "FigureBase":
    """Histogram of ``log w = -E - log q``, which has no spread where flow and target are one law.

    Args:
        log_weights: The values of each source by its name, such as samples of the flow or states
            of the target.
        log_z: Exact ``ln Z``, which is drawn as a line, if it is known.
        bins: Number of bins, which all sources share.
        into: Part of a larger figure in which to draw; a figure of its own if None.

    Raises:
        ValueError: If there is nothing to show, or some weights are not finite.
    """
    values = {name: w.detach().double().flatten().cpu() for name, w in log_weights.items()}
    if not values or not all(len(w) and w.isfinite().all() for w in values.values()):
        raise ValueError(
            f"got log weights of {list(values)}, expected one source or more, each with values "
            "that are all finite"
        )
    low = min(float(w.min()) for w in values.values())
    high = max(float(w.max()) for w in values.values())
    edges = torch.linspace(low - 1e-6, max(high, low + 1e-3) + 1e-6, bins + 1, dtype=torch.float64)
    figure = into or _figure((5, 3.5))
    axis = figure.subplots()
    for name, w in values.items():
        heights = torch.histogram(w, edges, density=True).hist
        axis.stairs(heights.numpy(), edges.numpy(), label=name, linewidth=1.3)
    if log_z is not None:
        axis.axvline(log_z, color="black", linestyle="--", linewidth=1, label="ln Z, exact")
    axis.set(xlabel="log weight -E - log q (nats)", ylabel="probability density", yscale="log")
    _legend_above(axis)
    return figure


def _scale(fields: Tensor, kind: Kind) -> "tuple[str | Colormap, float, dict[float, str]]":
    """Colour map, largest value and ticks of the colour bar; no ticks leave them to matplotlib."""
    from matplotlib.colors import ListedColormap

    if kind == "spins":
        return ListedColormap(["#2b4a73", "#f3e6d0"]), 1, {-0.5: "-1", 0.5: "+1"}
    if kind == "angles":
        return "twilight", math.pi, {-math.pi: "-\u03c0", 0: "0", math.pi: "\u03c0"}
    # a few outliers should not wash out all the rest
    bound = 3 * float(fields.double().square().mean().sqrt()) or 1.0
    return "RdBu_r", min(bound, float(fields.abs().max()) or 1.0), {}


def _edges_of_spins(bound: float, bins: int, spins: int) -> Tensor:
    """Edges of bins from -bound to bound or a little beyond, between the values of m.

    These are ``1 - 2 k / spins``. Each bin holds the same odd number of them, so that the
    histogram has no comb.
    """
    spacing = 2 / spins
    width = spacing * (2 * (math.ceil(2 * bound / spacing / bins) // 2) + 1)
    middle = 0.5 if spins % 2 == 0 else 0.0  # an even number of spins can have m = 0
    outermost = math.ceil(bound / width + middle) - middle
    return width * torch.arange(-outermost, outermost + 0.5, dtype=torch.float64)


def _legend_above(axis: "Axes") -> None:
    """Draws the legend above the axis, where it hides nothing."""
    axis.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=3,
        frameon=False,
        fontsize="small",
        columnspacing=1.2,
        handlelength=1.4,
    )


def _figure(size: tuple[float, float]) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=size, dpi=150, layout="constrained")
