"""Figures of the collective mode: along one latent direction, and over the plane of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rgflow.plotting.phases import draw_phase_wheel, phase_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Curve(NamedTuple):
    """A number along the steps of a scan and its errors, ``(K,)`` each."""

    value: Tensor
    error: Tensor


def magnetization_scan_figure(values: Tensor, mean: Curve, amplitude: Curve) -> Figure:
    """Magnetization and its absolute value against the collective latent of a real field.

    Args:
        values: Steps along the latent direction, ``(K,)``.
        mean: Mean field.
        amplitude: Mean absolute value of it.
    """
    figure, axes = _figure(1, 1)
    axis = axes[0, 0]
    _draw(axis, values, mean, "m")
    _draw(axis, values, amplitude, "|m|")
    axis.axhline(0, color="0.6", linewidth=0.8)
    axis.set(xlabel="collective latent", ylabel="magnetization per site")
    axis.legend(frameon=False)
    return figure


def collective_figure(
    values: Tensor,
    amplitude: Curve,
    phase: Curve,
    winding: tuple[Curve, Curve],
    plane: tuple[Tensor, Tensor, Tensor],
) -> Figure:
    """Amplitude, phase and winding of a complex field, along a latent and over two of them.

    Args:
        values: Steps along the latent directions, ``(K,)``.
        amplitude: ``|m|`` along the first direction.
        phase: Phase of m along the first direction; NaN where it is not known.
        winding: Winding numbers along both axes of the lattice, along the first direction.
        plane: Steps along both directions ``(P,)``, and amplitude and phase ``(P, P)`` there,
            with the first direction along the columns.
    """
    figure, axes = _figure(2, 3)
    _draw(axes[0, 0], values, amplitude)
    axes[0, 0].set(ylabel="amplitude |m|")
    axes[0, 0].set_ylim(0, 1.1 * float((amplitude.value + amplitude.error).max()))
    _draw(axes[0, 1], values, phase, linestyle="none")
    axes[0, 1].set(ylabel="phase of m", ylim=(-3.4, 3.4))
    axes[0, 1].set_yticks([-torch.pi, 0, torch.pi], labels=["-π", "0", "π"])
    for curve, name, shift in zip(winding, ("down", "right"), (-0.03, 0.03), strict=True):
        _draw(axes[0, 2], values + shift, curve, f"winding, {name}")
    axes[0, 2].axhline(0, color="0.6", linewidth=0.8)
    axes[0, 2].set(ylabel="mean winding number")
    low, high = axes[0, 2].get_ylim()
    axes[0, 2].set_ylim(min(low, -0.5), max(high, 0.5))
    axes[0, 2].legend(frameon=False, fontsize=8)
    for axis in axes[0]:
        axis.set_xlabel("first collective latent")
    steps, size, angle = plane
    half = float(steps[1] - steps[0]) / 2
    ends = float(steps[0]) - half, float(steps[-1]) + half
    picture = axes[1, 0].imshow(
        size.numpy(), origin="lower", extent=(*ends, *ends), cmap="viridis", vmin=0
    )
    figure.colorbar(picture, ax=axes[1, 0], label="amplitude |m|", shrink=0.85)
    known = angle.isfinite()  # black elsewhere
    colours = phase_colours(angle.nan_to_num()[None], known.double()[None])[0]
    axes[1, 1].imshow(colours.permute(1, 2, 0).numpy(), origin="lower", extent=(*ends, *ends))
    axes[1, 1].set_title("phase of m (black: not coherent)", fontsize=9)
    for axis in axes[1, :2]:
        axis.set(xlabel="first collective latent", ylabel="second collective latent")
    draw_phase_wheel(axes[1, 2])
    return figure


def _draw(
    axis: Axes, values: Tensor, curve: Curve, label: str | None = None, linestyle: str = "-"
) -> None:
    style = {"marker": "o", "markersize": 3, "linewidth": 1, "capsize": 2}
    style |= {"label": label, "linestyle": linestyle}
    axis.errorbar(values.numpy(), curve.value.numpy(), curve.error.numpy(), **style)
    axis.grid(alpha=0.3)


def _figure(rows: int, columns: int) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    size = (3.9 * columns + 0.6, 3.2 * rows + 0.3)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)
