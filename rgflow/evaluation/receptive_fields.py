"""Receptive fields in numbers: a report by level, its figure, sheets of features, and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import torch

from rgflow.analysis.radii import fit_radii, level_radii
from rgflow.analysis.receptive_fields import ReceptiveFields, centred
from rgflow.analysis.sparsity import (
    FEWEST,
    field_sparsity,
    latent_kurtosis,
    mean_by_level,
    sparsest,
    strongest,
)
from rgflow.analysis.support import cone_support
from rgflow.evaluation.held_out import HeldOut
from rgflow.evaluation.summary import shown
from rgflow.flow import Flow
from rgflow.plotting.responses import LevelCurve, level_figure, response_image
from rgflow.plotting.sheets import SheetRow, sheet_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Report = dict[str, Any]


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


COLUMNS = {
    "radius": "radius (sites)",
    "strength": "strength",
    "pixels": "effective pixels",
    "field_kurtosis": "kurtosis of fields",
    "latent_kurtosis": "kurtosis of latents",
}


def receptive_field_report(
    flow: Flow, fields: ReceptiveFields, held_out: HeldOut | None = None, seed: int = 0
) -> Report:
    """What receptive fields say about each level, in plain numbers.

    Args:
        flow: The flow.
        fields: Its receptive fields.
        held_out: Latents of held-out images or states, for their kurtosis, which is left out
            where there are fewer than `FEWEST` of them; or None.
        seed: Seed of the bootstrap.

    Returns:
        ``levels``, a list with the numbers of each level and their errors, ``fit``, the power law
        of the radii or None, and ``events``, the number of held-out images or states.
    """
    sparsity, radii = field_sparsity(fields), level_radii(fields)
    columns = {
        "radius": radii,
        "strength": mean_by_level(sparsity.strength, fields.levels, seed=seed),
        "pixels": mean_by_level(sparsity.pixels, fields.levels, seed=seed),
        "field_kurtosis": mean_by_level(sparsity.kurtosis, fields.levels, seed=seed),
    }
    events = 0 if held_out is None else len(held_out.latents)
    if held_out is not None and events >= FEWEST:
        z, chains = held_out
        columns["latent_kurtosis"] = latent_kurtosis(flow, z, seed=seed, chains=chains)
    levels = [
        {"level": h, "latents": count}
        for h, count in enumerate(torch.bincount(fields.levels).tolist())
    ]
    for name, (value, error) in columns.items():
        for h, row in enumerate(levels):
            row |= {name: float(value[h]), f"{name}_error": float(error[h])}
    support = cone_support(flow, fields)
    for row in levels if support is not None else ():
        h = row["level"]
        row |= {"cone_pixels": float(support.pixels[h]), "outside": float(support.outside[h])}
    fit = fit_radii(radii, flow.event_shape[-1])
    return {"levels": levels, "fit": None if fit is None else fit._asdict(), "events": events}


def few_events(events: int) -> str:
    """What is said where there are too few held-out images for a kurtosis."""
    return f"kurtosis of latents: left out, got {events} held-out images, expected {FEWEST}"


def receptive_field_figure(
    found: Mapping[str, ReceptiveFields], reports: Sequence[Mapping[str, Any]], title: str = ""
) -> Figure:
    """The mean receptive fields of all levels of some flows, with their numbers below.

    Args:
        found: For each flow its receptive fields, by name.
        reports: For each flow its report, in the same order.
        title: Title over the figure.
    """
    by_name = dict(zip(found, reports, strict=True))
    pictures = {name: fields.level_pictures.mean(0) for name, fields in found.items()}
    curves = [
        (label, {name: _curve(report, key) for name, report in by_name.items()})
        for key, label in COLUMNS.items()
        if key != "strength" and all(key in report["levels"][0] for report in reports)
    ]
    return level_figure(pictures, curves, title)


def _curve(report: Mapping[str, Any], key: str) -> LevelCurve:
    value, error = (
        torch.tensor([row[name] for row in report["levels"]], dtype=torch.float64)
        for name in (key, f"{key}_error")
    )
    fit = report["fit"]
    if key != "radius" or fit is None:
        return LevelCurve(value, error)
    levels = torch.tensor(fit["levels"], dtype=torch.float64)
    line = torch.full_like(value, torch.nan)
    line[levels.long()] = fit["amplitude"] * 2 ** (fit["exponent"] * levels)
    text = f"b = {fit['exponent']:.2f} ± {fit['exponent_error']:.2f}"
    return LevelCurve(value, error, line, text)


def feature_sheet(
    fields: ReceptiveFields,
    kind: Literal["strongest", "sparsest"],
    count: int = 12,
    title: str = "",
) -> Figure:
    """The receptive fields of the strongest or the sparsest latents of each level.

    Each is shifted so that its latent stands in the middle. Over it stand the latent's channel,
    row and column, and its strength or its effective number of pixels.
    """
    sparsity = field_sparsity(fields)
    choose, number = {
        "strongest": (strongest, sparsity.strength),
        "sparsest": (sparsest, sparsity.pixels),
    }[kind]
    rows = []
    for h in range(int(fields.levels.max()) + 1):
        chosen = choose(fields, h, count)
        if len(chosen):
            images = response_image(centred(fields.mean[chosen], fields.latents[chosen]))
            places = [",".join(map(str, place)) for place in fields.latents[chosen].tolist()]
            values = number[chosen].tolist()
            captions = [f"{p}: {_short(v)}" for p, v in zip(places, values, strict=True)]
            rows.append(SheetRow(f"level {h}", images, captions))
    what = {"strongest": "strength", "sparsest": "effective pixels"}[kind]
    return sheet_figure(rows, f"{title}\nover each: channel,row,column of its latent: {what}")


def receptive_field_table(report: Mapping[str, Any]) -> str:
    """The reports ``report["flows"]`` of several flows as text."""
    lines = []
    for flow in report["flows"]:
        lines.append(f"{flow['name']}: {flow['points']} points in {flow['seconds']:.1f} s")
        names = [name for name in COLUMNS if name in flow["levels"][0]]
        lines.append("  ".join(["level", "latents", *(f"{COLUMNS[c]:>20}" for c in names)]))
        for row in flow["levels"]:
            cells = [shown(row[name], row[f"{name}_error"]) for name in names]
            cells = [f"{row['level']:>5}", f"{row['latents']:>7}", *(f"{c:>20}" for c in cells)]
            lines.append("  ".join(cells))
        if "outside" in flow["levels"][0]:
            worst = max(row["outside"] for row in flow["levels"])
            lines.append(f"largest response outside of a generation cone: {worst:g}")
        if 0 < flow["events"] < FEWEST:
            lines.append(few_events(flow["events"]))
        fit = flow["fit"]
        if fit is not None:
            a, b = (shown(fit[n], fit[f"{n}_error"]) for n in ("amplitude", "exponent"))
            lines.append(
                f"radius = a 2^(b h): a = {a} sites, b = {b}, "
                f"chi2 {fit['chi2']:.2g}, levels {', '.join(map(str, fit['levels']))}"
            )
    return "\n".join(lines)
