"""Figures of receptive fields: pictures, radii and sparsity by level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class LevelCurve(NamedTuple):
    """Numbers by level and their errors, ``(H,)``, and the line of a fit ``(H,)`` or None."""

    value: Tensor
    error: Tensor
    line: Tensor | None = None
    label: str = ""


def response_image(fields: Tensor) -> Tensor:
    """Responses ``(M, L, L)``, none of them negative, as uint8 ``(M, 3, L, L)``.

    Each picture has its own scale of colours, from black (0) to its largest response.

    >>> response_image(torch.rand(2, 8, 8)).shape
    torch.Size([2, 3, 8, 8])
    """
    from matplotlib import colormaps

    values = fields.detach().double().cpu()
    largest = values.flatten(1).amax(1).clamp_min(torch.finfo(values.dtype).tiny)
    colours = colormaps["magma"]((values / largest[:, None, None]).numpy(), bytes=True)
    return torch.from_numpy(colours[..., :3]).permute(0, 3, 1, 2).contiguous()


def level_figure(
    pictures: Mapping[str, Tensor],
    curves: Sequence[tuple[str, Mapping[str, LevelCurve]]],
    title: str = "",
) -> Figure:
    """The mean receptive fields of all levels, and numbers by level below them.

    Args:
        pictures: For each flow its pictures ``(H, L, L)``, one row each.
        curves: For each panel its vertical label and, for each flow, a curve.
        title: Title over the figure.

    Returns:
        A matplotlib figure, not attached to any window.
    """
    from matplotlib.figure import Figure

    columns = max(map(len, pictures.values()))
    rows = len(pictures)
    size = (max(2.1 * columns, 3.4 * len(curves)) + 0.8, 2.1 * rows + 3.4)
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=10)
    upper, lower = figure.subfigures(2, 1, height_ratios=[2.1 * rows, 3.0])
    for axes, (name, fields) in zip(
        upper.subplots(rows, columns, squeeze=False), pictures.items(), strict=True
    ):
        for h, axis in enumerate(axes):
            axis.set(xticks=[], yticks=[], frame_on=False)
            if h < len(fields):
                axis.imshow(response_image(fields[h, None])[0].permute(1, 2, 0).numpy())
                axis.set_title(f"level {h}, largest {float(fields[h].max()):.2g}", fontsize=8)
        axes[0].set_ylabel(name, fontsize=8)
    for axis, (label, lines) in zip(
        lower.subplots(1, len(curves), squeeze=False)[0], curves, strict=True
    ):
        _draw_curves(axis, label, lines)
    return figure


def _draw_curves(axis: Axes, label: str, curves: Mapping[str, LevelCurve]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    for i, (name, curve) in enumerate(curves.items()):
        places = torch.arange(len(curve.value)) + 0.06 * (i - (len(curves) - 1) / 2)
        text = ", ".join(part for part in (name, curve.label) if part)
        axis.errorbar(places, curve.value.cpu(), curve.error.cpu(), fmt="o", label=text, c=f"C{i}")
        if curve.line is not None:
            axis.plot(torch.arange(len(curve.line)), curve.line.cpu(), "--", c=f"C{i}", lw=1)
    axis.set(xlabel="level", ylabel=label)
    levels = max(len(curve.value) for curve in curves.values())
    axis.set_xticks(range(levels))
    axis.set_xlim(-0.5, levels - 0.5)
    if all((curve.value[curve.value.isfinite()] > 0).all() for curve in curves.values()):
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
    axis.legend(fontsize=7)
