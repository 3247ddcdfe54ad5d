"""Restoration by several methods: numbers, a table and a figure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.completion_search import USUAL, Effort
from rgflow.analysis.inpaint import METHODS, Inpainted, inpaint
from rgflow.bijectors.pixels import acts_on_pixels, bits_per_dim, to_image
from rgflow.flow import Flow
from rgflow.plotting.images import sample_image
from rgflow.plotting.restoration import restoration_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = {
    "error_inside": "error of unknown pixels, {unit}",
    "known_pixels_moved": "known pixels, before put back, {unit}",
    "latent_sites_touched": "latent sites that may change",
    "latent_sites": "latent sites in all",
    "blocks": "blocks of an evaluation",
    "blocks_in_all": "blocks of the whole flow",
    "evaluations": "evaluations",
    "acceptance": "acceptance of HMC",
    "seconds": "seconds",
}
"""Rows of a table: keys of a report, and what they are."""


class Restored(NamedTuple):
    """Restorations of the same images.

    Attributes:
        originals: uint8 ``(N, C, L, L)``, or fields in colours.
        unknown: ``(L, L)`` bool.
        pictures: The restored images by the name of the method.
        report: Plain numbers by the name of the method, see `restoration_numbers`.
    """

    originals: Tensor
    unknown: Tensor
    pictures: dict[str, Tensor]
    report: dict[str, dict[str, Any]]

    def figure(self, most: int = 16) -> Figure:
        """Originals, what is known, and the restorations, in rows, of the first images."""
        one = next(iter(self.report.values()))
        title = f"{one['latent_sites_touched']} of {one['latent_sites']} latent sites may change"
        if len(self.originals) > most:
            title += f"; the first {most} of {len(self.originals)} images"
        pictures = {name: images[:most] for name, images in self.pictures.items()}
        return restoration_figure(self.originals[:most], self.unknown, pictures, title)


def restore(
    flow: Flow,
    x: Tensor,
    unknown: Tensor,
    methods: Sequence[str] = METHODS,
    *,
    temperature: float = 1.0,
    tolerance: float = 0.0,
    effort: Effort = USUAL,
    seed: int = 0,
) -> Restored:
    """Restores images by several methods; see `inpaint` for the arguments.

    Args:
        flow: The flow.
        x: uint8 images or fields ``(N, C, L, L)``.
        unknown: ``(L, L)`` bool.
        methods: Names out of `METHODS`.
        temperature: Of the prior's latents, for ``"prior"``.
        tolerance: To which known pixels are held, for the others.
        effort: Numbers of steps.
        seed: Seed of all randomness.
    """
    report, pictures = {}, {}
    for method in methods:
        begin = time.perf_counter()
        found = inpaint(
            flow,
            x,
            ~unknown,
            method,
            temperature=temperature,
            tolerance=0.0 if method == "prior" else tolerance,
            effort=effort,
            seed=seed,
        )
        seconds = round(time.perf_counter() - begin, 2)
        numbers = restoration_numbers(flow, found, x, unknown)
        report[method] = numbers | {"seconds": seconds}
        pictures[method] = sample_image(flow, found.images).cpu()
    shown = x.cpu() if x.dtype == torch.uint8 else sample_image(flow, x).cpu()
    return Restored(shown, unknown, pictures, report)


def restoration_numbers(
    flow: Flow, found: Inpainted, x: Tensor, unknown: Tensor
) -> dict[str, Any]:
    """A report in plain numbers: errors in shades for images, otherwise in the field's units."""
    images, given = found.images.cpu(), x.cpu()
    if given.dtype == torch.uint8:
        images, given = to_image(images).double(), given.double()
    inside = (images - given)[..., unknown].square().mean().sqrt()
    report = {
        "unit": "shades" if acts_on_pixels(flow.bijector) else "units of the field",
        "error_inside": float(inside),
        "known_pixels_moved": float(found.moved.square().mean().sqrt()),
        "tolerance": found.tolerance,
        "log_prob": found.log_prob.tolist(),
        "latent_sites_touched": found.latents_touched,
        "latent_sites": found.latents.numel(),
        "blocks": found.blocks,
        "blocks_in_all": found.all_blocks,
        "evaluations": found.evaluations,
        "acceptance": found.acceptance,
        "step_size": found.step_size,
    }
    if acts_on_pixels(flow.bijector):
        bits = bits_per_dim(found.log_prob, flow.event_shape).mean()
        report["bits_per_dim"] = float(bits)
    return report


def restoration_text(report: Mapping[str, Mapping[str, Any]]) -> str:
    """A report by methods, as a table for a reader."""
    titles = rows_of(report)
    width = max(len(title) for _, title in titles)
    lines = ["method".ljust(width) + "".join(method.rjust(12) for method in report)]
    for name, title in titles:
        cells = (restoration_cell(part[name]).rjust(12) for part in report.values())
        lines.append(title.ljust(width) + "".join(cells))
    return "\n".join(lines)


def rows_of(report: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The keys of a report's rows with their titles, with the unit.

    Rows that no method has a number for are left out, such as blocks of a flow without levels.
    """
    unit = next(iter(report.values()))["unit"]
    return [
        (name, title.format(unit=unit))
        for name, title in ROWS.items()
        if any(part[name] is not None for part in report.values())
    ]


def restoration_cell(value: float | None) -> str:
    """One number of the table."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3g}"
