"""Figures of the parts of the report that are estimated from configurations."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from rgflow.realspace.report.exact_figures import panels
from rgflow.realspace.samples.mcrg import ThermalExponent
from rgflow.realspace.samples.neural_information import LearnedFilter

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def exponent_figure(
    results: Mapping[str, Sequence[Sequence[ThermalExponent]]], lattices: Sequence[str]
) -> "Figure":
    """The exponent nu against the number of couplings, for each rule and each blocking.

    Args:
        results: Exponents by name of the blocking rule, then for each blocking and for the first
            1, 2, ... couplings.
        lattices: Labels of the blockings, such as ``"64 to 32"``.
    """
    figure, axes = panels(len(results))
    for axis, (rule, by_blocking) in zip(axes, results.items(), strict=True):
        for i, (name, row) in enumerate(zip(lattices, by_blocking, strict=True)):
            x = [n + 1 + 0.12 * (i - 1) for n in range(len(row))]
            values, errors = [r.nu for r in row], [r.nu_error for r in row]
            axis.errorbar(x, values, errors, fmt="o-", ms=3, lw=0.8, capsize=2, label=name)
        axis.axhline(1, color="k", ls=":", lw=1, label="exact")
        axis.set_title(rule, fontsize=9)
        axis.set(xlabel="number of even couplings", ylabel=r"exponent $\nu$", ylim=(0.9, 1.16))
        axis.legend(fontsize=7, title="blocking", title_fontsize=7)
    return figure


def filters_figure(filters: Mapping[str, LearnedFilter]) -> "Figure":
    """The learned filter of each block, with the bound on its mutual information."""
    figure, axes = panels(len(filters), 3.0, 3.2)
    largest = max(f.weights.abs().max().item() for f in filters.values())
    for axis, (name, learned) in zip(axes, filters.items(), strict=True):
        table = learned.weights.numpy()
        image = axis.imshow(table, vmin=-largest, vmax=largest, cmap="RdBu_r")
        for i in range(len(table)):
            for j in range(len(table)):
                colour = "w" if abs(table[i, j]) > 0.6 * largest else "k"
                text = f"{table[i, j]:.1f}".replace("-0.0", "0.0")
                axis.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
        bounds = learned.bounds
        axis.set_title(
            f"{name}\nI > {bounds.info_nce:.3f} ± {bounds.info_nce_error:.3f} nats", fontsize=8
        )
        axis.set(xticks=[], yticks=[], xlabel="spins of the block")
    figure.colorbar(image, ax=axes, label="weight of the filter", shrink=0.8)
    return figure


def smearing_figure(field: Tensor, kernel: Tensor, cut: Tensor, smeared: Tensor) -> "Figure":
    """A field, Kadanoff's kernel in real space, and the field smoothed in both ways.

    Args:
        field: The field, ``(H, W)``.
        kernel: Kadanoff's kernel, ``(H, W)`` with r = 0 at the entry ``[0, 0]``.
        cut: The field after Wilson's cut-off, ``(H, W)``.
        smeared: The field after Kadanoff's smearing, ``(H, W)``.
    """
    figure, axes = panels(4, 2.6, 2.7)
    middle = (kernel.shape[0] // 2, kernel.shape[1] // 2)
    worst = (cut - smeared).abs().max().item()
    pictures = {
        "field": field,
        "kernel, r = 0 in the middle": kernel.roll(middle, (0, 1)),
        "Wilson: modes cut": cut,
        f"Kadanoff: smeared\nlargest difference {worst:.0e}": smeared,
    }
    for axis, (name, values) in zip(axes, pictures.items(), strict=True):
        reach = values.abs().max().item()
        image = axis.imshow(values.numpy(), cmap="RdBu_r", vmin=-reach, vmax=reach)
        axis.set_title(name, fontsize=8)
        axis.set(xticks=[], yticks=[], xlabel="x (sites)")
        figure.colorbar(image, ax=axis, shrink=0.7)
    axes[0].set_ylabel("y (sites)")
    return figure
