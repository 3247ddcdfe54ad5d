"""Part of the geometry: what the latents of the coarsest level do to the whole field."""

from __future__ import annotations

import torch
from torch import Tensor

from rgflow.analysis.geometry import CollectiveMode, collective_directions, collective_mode
from rgflow.evaluation.geometry.bulks import Bulks
from rgflow.evaluation.study.setting import Findings, Setting
from rgflow.evaluation.summary import shown
from rgflow.evaluation.walks import principal_walks
from rgflow.plotting.collective import Curve, collective_figure, magnetization_scan_figure
from rgflow.plotting.images import sample_image
from rgflow.plotting.page import Picture, Section, Table
from rgflow.plotting.phases import phase_image
from rgflow.plotting.sheets import SheetRow, sheet_figure
from rgflow.runtime.json_text import plain

LINE = tuple(0.5 * k for k in range(-8, 9))
PLANE = tuple(0.75 * k for k in range(-4, 5))
COHERENT = 0.5
STRIP = (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0)


@torch.no_grad()
def collective(bulks: Bulks) -> Findings:
    """Scans the collective latents, and walks along the strongest direction of every level."""
    setting = bulks.setting
    flow = setting.flow
    levels, channels = flow.known_hierarchy().levels, flow.event_shape[0]
    draws = setting.count(32)
    is_complex = channels == 2
    directions = collective_directions(flow, setting.count(64), seed=setting.seed)
    values = torch.tensor(LINE, dtype=torch.float64)
    line = collective_mode(flow, _along(directions[:1], values[:, None]), draws, seed=setting.seed)
    text = [
        f"The collective latents are the directions among the latents of the coarsest level "
        f"(level {levels - 1}) to which the mean field of the lattice responds most. They are "
        f"scanned with {draws} draws of the latents of all finer levels, which are the same at "
        "all points; the other latents of the coarsest level are zero.",
    ]
    report = {"values": LINE, "draws": draws, "line": plain(line)}
    amplitude = Curve(line.amplitude, line.amplitude_error)
    if is_complex:
        text += [
            "The mean field of the lattice is m = |m| exp(i phase). The winding number says how "
            "often the phase turns around the periodic lattice. Coherence is |mean of exp(i "
            f"phase)| over draws; phases of a coherence below {COHERENT} say nothing and are left "
            "out."
        ]
        steps = torch.tensor(PLANE, dtype=torch.float64)
        grid = torch.cartesian_prod(steps, steps).flip(1)  # the first direction is the faster one
        plane = collective_mode(flow, _along(directions, grid), draws, seed=setting.seed)
        shape = (len(PLANE), len(PLANE))
        windings = [Curve(line.winding[:, a], line.winding_error[:, a]) for a in (0, 1)]
        figure = collective_figure(
            values,
            amplitude,
            Curve(_coherent(line), line.phase_error),
            (windings[0], windings[1]),
            (steps, plane.amplitude.view(shape), _coherent(plane).view(shape)),
        )
        caption = "Above: along the first collective latent. Below: over the plane of both."
        report |= {"plane_values": PLANE, "plane": plain(plane)}
    else:
        mean = Curve(line.mean[:, 0], line.mean_error[:, 0])
        figure = magnetization_scan_figure(values, mean, amplitude)
        caption = "Magnetization against the collective latent."
    pictures = [
        setting.picture(figure, "collective.png", caption),
        _strips(setting, levels, is_complex),
    ]
    return Findings(Section("Collective mode", text, [_table(line, is_complex)], pictures), report)


def _along(directions: Tensor, steps: Tensor) -> Tensor:
    """Points ``(P, C, L, L)`` from steps ``(P, k)`` along k directions."""
    return torch.einsum("pk,kcij->pcij", steps.to(directions), directions)


def _coherent(mode: CollectiveMode) -> Tensor:
    """Phases, NaN where the draws do not agree on one."""
    return torch.where(mode.coherence >= COHERENT, mode.phase, torch.nan)


def _table(line: CollectiveMode, is_complex: bool) -> Table:
    rows = []
    for i in range(0, len(LINE), 4):
        row = [
            f"{LINE[i]:+g}" if LINE[i] else "0",
            shown(float(line.amplitude[i]), float(line.amplitude_error[i])),
        ]
        if is_complex:
            row += [
                shown(float(line.phase[i]), float(line.phase_error[i]))
                if line.coherence[i] >= COHERENT
                else "-",
                f"{float(line.coherence[i]):.2f}",
                *(
                    shown(float(line.winding[i, a]), float(line.winding_error[i, a]))
                    for a in (0, 1)
                ),
                f"{float(line.vortices[i]):.3f}",
            ]
        else:
            row.append(shown(float(line.mean[i, 0]), float(line.mean_error[i, 0])))
        rows.append(row)
    more = ["phase", "coherence", "winding, down", "winding, right", "vortices per site"]
    columns = ["latent", "|m|", *(more if is_complex else ["m"])]
    caption = "Along the first collective latent."
    return Table(caption if is_complex else "Along the collective latent.", columns, rows)


def _strips(setting: Setting, levels: int, is_complex: bool) -> Picture:
    """Rows of pictures, from the coarsest level to the finest."""
    flow = setting.flow
    z = flow.prior.sample(1, 1.0, setting.generator("strips"))
    walks = [
        one
        for h in reversed(range(levels))
        for one in principal_walks(
            flow, z, h, 1, STRIP, points=setting.count(8), temperature=1.0, seed=setting.seed
        )
    ]
    x = torch.stack([one.steps for one in walks])  # (levels, K, C, L, L)
    flat = x.flatten(0, 1)
    images = phase_image(flat) if is_complex else sample_image(flow, flat)
    rows = [
        SheetRow(one.label, row)
        for one, row in zip(walks, images.unflatten(0, x.shape[:2]), strict=True)
    ]
    shown_as = "hue: phase, brightness: amplitude" if is_complex else "blue: below 0, red: above"
    title = f"One sample, walked along the strongest direction of each level ({shown_as})"
    figure = sheet_figure(rows, title, [f"{v:+g}" if v else "0" for v in STRIP])
    return setting.picture(figure, "strips.png", f"{title}.")
