"""Figures of the parts of the report that are computed exactly."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.realspace.block_variable.block_loss import SPINS, Choice, Loss
from rgflow.realspace.block_variable.fit import Descent, Fit
from rgflow.realspace.coupling_map.coupling_flow import (
    LinearisedFlow,
    fixed_point,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(columns: int, width: float = 4.2, height: float = 3.4) -> tuple["Figure", list["Axes"]]:
    """A figure without a window, with a row of axes.

    Args:
        columns: Number of axes.
        width: Width of each of the axes in inches.
        height: Height of the figure in inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height), dpi=150, layout="constrained")
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def flow_figure(
    couplings: Sequence[float], renormalized: Sequence[float], steps: Sequence[Sequence[float]]
) -> "Figure":
    """The map J -> J' with trajectories, and its fixed point beside the exact critical coupling.

    Args:
        couplings: Couplings J of the curve.
        renormalized: Couplings J' of the curve.
        steps: Trajectories J, J', J'', ..., drawn as stairs.
    """
    figure, (axis,) = panels(1, 5.0, 4.4)
    axis.plot(couplings, couplings, color="gray", lw=0.8, label="J' = J")
    axis.plot(couplings, renormalized, color="C0", label="renormalization J'(J)")
    for i, path in enumerate(steps):
        x = np.repeat(path, 2)[:-1]
        y = np.repeat(path, 2)[1:]
        axis.plot(x, y, color=f"C{1 + i}", lw=0.9, label=f"from J = {path[0]:g}")
    axis.axvline(CRITICAL_COUPLING, color="k", ls=":", lw=1, label="exact critical coupling")
    fixed = fixed_point()
    axis.plot(fixed, fixed, "ko", ms=5, label=f"fixed point J* = {fixed:.4f}")
    limit = max(couplings)
    axis.set(
        xlim=(0, limit),
        ylim=(0, limit),
        xlabel="coupling J (over temperature)",
        ylabel="coupling J' of the block variables",
    )
    axis.legend(fontsize=7)
    return figure


def scaling_figure(
    distance: Sequence[float], above: Sequence[float], below: Sequence[float], nu: float
) -> "Figure":
    """Correlation length by the flow against the distance from the fixed point.

    Args:
        distance: Distances ``|J - J*|``.
        above: Correlation lengths in the ordered phase, in lattice spacings.
        below: Correlation lengths in the disordered phase, in lattice spacings.
        nu: Correlation length exponent of the flow.
    """
    figure, (axis,) = panels(1, 5.0, 3.8)
    d = np.asarray(distance)
    axis.loglog(d, above, ".", ms=3, color="C3", label="ordered, J > J*")
    axis.loglog(d, below, ".", ms=3, color="C0", label="disordered, J < J*")
    middle = len(d) // 2
    for side in (below, above):
        for exponent, style, name in ((nu, "-", "flow"), (1.0, ":", "exact model")):
            line = side[middle] * (d / d[middle]) ** -exponent
            label = rf"$\nu$ = {exponent:.4g} ({name})" if side is below else None
            axis.loglog(d, line, "k" + style, lw=0.8, label=label)
    axis.set(xlabel="distance |J - J*|", ylabel=r"correlation length $\xi$ (lattice spacings)")
    axis.legend(fontsize=7)
    return figure


def beta_figure(
    betas: Sequence[float], flows: Sequence[LinearisedFlow], exact_beta: float
) -> "Figure":
    """Fixed point and exponent against the weight of the mutual information.

    Args:
        betas: Weights of the mutual information.
        flows: Linearised flow for each beta.
        exact_beta: The beta for which the fixed point is the exact critical coupling.
    """
    figure, axes = panels(2)
    values = ([f.fixed_point for f in flows], [f.exponent for f in flows])
    labels = ("fixed point J*", r"exponent $\nu$")
    for axis, value, exact, label in zip(
        axes, values, (CRITICAL_COUPLING, 1.0), labels, strict=True
    ):
        axis.plot(betas, value, color="C0", label="flow")
        axis.axhline(exact, color="k", ls=":", lw=1, label="exact")
        axis.axvline(
            exact_beta, color="C3", lw=0.8, label=rf"J* exact at $\beta$ = {exact_beta:.4f}"
        )
        axis.set(xlabel=r"weight $\beta$ of the mutual information", ylabel=label)
        axis.legend(fontsize=7)
    return figure


def hidden_units_figure(
    descent: Descent, units: Sequence[int], coinciding: Sequence[float], free: Sequence[Fit]
) -> "Figure":
    """Training of three hidden units, and the divergence against the number of hidden units.

    Args:
        descent: Gradient descent of three hidden units from small weights.
        units: Numbers of hidden units.
        coinciding: KL divergence for each number if all units share one feature, nats.
        free: Best fit for each number with free weights.
    """
    figure, (left, right) = panels(2)
    left.plot(descent.steps, descent.divergence, color="C0", label="KL divergence (nats)")
    cosine = descent.cosine_similarity
    left.plot(descent.steps, cosine, color="C3", label="smallest |cosine| of two units")
    left.set(
        xlabel="steps of gradient descent, 3 hidden units",
        ylabel="nats, or cosine",
        ylim=(0, 1.05),
    )
    values = [fit.divergence for fit in free]
    right.plot(units, coinciding, "o-", color="C3", label="all units share one feature")
    right.plot(units, values, "-", color="C0", label="free weights")
    for converged, marker, name in ((True, "s", "minimum"), (False, "^", "limit of weights to ∞")):
        of_kind = [fit.converged == converged for fit in free]
        x, y = (np.array(v)[of_kind] for v in (units, values))
        right.plot(x, y, marker, color="C0", mfc="C0" if converged else "w", label=name)
    right.set(
        xlabel="number of hidden units",
        ylabel=r"$D_{KL}(P_{loc}\,||\,P_{RBM})$ (nats)",
        xticks=units,
    )
    for axis in (left, right):
        axis.legend(fontsize=7)
    return figure


def causal_figure(tables: Mapping[str, Tensor]) -> "Figure":
    """Matrices of the mutual information of pairs of spins, side by side.

    Args:
        tables: Mutual information by name of the law, ``(spins, spins)``, nats; the diagonal is
            not shown.
    """
    figure, axes = panels(len(tables), 2.9, 3.6)
    shown = [np.where(np.eye(len(t)) > 0, np.nan, t.numpy()) for t in tables.values()]
    largest = max(np.nanmax(t) for t in shown)
    for axis, (name, table) in zip(axes, zip(tables, shown, strict=True), strict=True):
        image = axis.imshow(table, vmin=0, vmax=largest, cmap="viridis")
        for (i, j), value in np.ndenumerate(table):
            if i != j:
                colour = "w" if value < 0.6 * largest else "k"
                axis.text(
                    j,
                    i,
                    f"{max(value, 0):.3f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color=colour,
                )
        axis.set_title(name, fontsize=8)
        axis.set(xlabel="spin j", xticks=range(len(table)), yticks=range(len(table)))
    axes[0].set_ylabel("spin i")
    figure.colorbar(image, ax=axes, label="mutual information (nats)", shrink=0.8, pad=0.03)
    return figure


def decoy_figure(
    betas: Sequence[float],
    choices: Sequence[Choice],
    switch: float,
    decoys: Sequence[float],
    switches: Sequence[float],
) -> "Figure":
    """Weights and both parts of the loss against beta, and the beta of equal losses.

    Args:
        betas: Weights of the mutual information.
        choices: Block variable learned with each beta.
        switch: The beta above which the spins have a smaller loss than the decoy.
        decoys: Couplings of the decoy in the last panel.
        switches: The beta of `switch` for each of these couplings.
    """
    figure, (left, middle, right) = panels(3, 3.8)
    weights = np.array([c.weights.abs().mean(1).numpy() for c in choices])
    left.plot(betas, weights[:, :SPINS].mean(1), "o-", color="C0", label="on the four spins")
    left.plot(betas, weights[:, SPINS:].mean(1), "s-", color="C3", label="on the four decoys")
    left.set(ylabel="mean |weight|")
    divergence, information = ([getattr(c, n) for c in choices] for n in Loss._fields)
    middle.plot(betas, divergence, "o-", color="k", label="KL divergence")
    middle.plot(betas, information, "s-", color="C2", label="information on the environment")
    middle.set(ylabel="nats", ylim=(-0.1, 1.35 * max(divergence)))  # room for the legend
    for axis in (left, middle):
        label = rf"switch at $\beta$ = {switch:.3f}"
        axis.axvline(switch, color="gray", lw=0.8, ls="--", label=label)
        axis.set(xlabel=r"weight $\beta$ of the mutual information")
    right.plot(decoys, switches, "o-", ms=3, color="C4", label="spins are learned above")
    right.set(xlabel="coupling of the decoy", ylabel=r"switching $\beta$", ylim=(0, None))
    for axis in (left, middle, right):
        axis.legend(fontsize=7)
    return figure


def cutoff_figure(sizes: Sequence[float], constants: Mapping[str, Sequence[float]]) -> "Figure":
    """The cut-off sums minus their quadratic part, which tend to -1/12.

    Args:
        sizes: Values of N.
        constants: ``S(N) - a N^2`` for each N, by name of the scheme.
    """
    figure, (axis,) = panels(1, 5.0, 3.6)
    for name, values in constants.items():
        axis.plot(sizes, values, "o-", ms=3, label=rf"$\eta(x)$ = {name}")
    axis.axhline(-1 / 12, color="k", ls=":", lw=1, label="-1/12")
    axis.set(xlabel="cut-off N", ylabel=r"$\sum_n n\,\eta(n/N) - a N^2$", xscale="log")
    axis.set_xticks(sizes, [f"{N:g}" for N in sizes])
    axis.minorticks_off()
    axis.legend(fontsize=7)
    return figure
