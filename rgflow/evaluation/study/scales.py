"""Parts of a study: samples, temperatures, walks, and receptive fields."""

from __future__ import annotations

from typing import Any

import torch

from rgflow.analysis.receptive_fields import receptive_fields
from rgflow.analysis.sparsity import FEWEST
from rgflow.analysis.temperature import level_count, temperature_sheet, two_temperatures
from rgflow.evaluation.held_out import held_out_latents
from rgflow.evaluation.receptive_fields import (
    COLUMNS,
    feature_sheet,
    few_events,
    receptive_field_figure,
    receptive_field_report,
)
from rgflow.evaluation.study.setting import Findings, Setting
from rgflow.evaluation.summary import shown
from rgflow.evaluation.temperature import share_text, temperature_figure, temperature_report
from rgflow.evaluation.walks import principal_walks, walk_figure
from rgflow.plotting.grids import samples_figure
from rgflow.plotting.page import Section, Table

SHOWN = 64  # samples in the first picture
LOWS, HIGHS = (0.2, 0.4, 0.6, 0.8, 1.0), (0.6, 0.8, 1.0)
CLOSE = 0.01  # of principal directions where less effort is asked
STEPS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


@torch.no_grad()
def samples(setting: Setting) -> Findings:
    """Samples at temperature 1."""
    x = setting.flow.sample(SHOWN, generator=setting.generator("samples"))
    figure = samples_figure(setting.flow, x, f"{SHOWN} samples, temperature 1")
    text = [
        "Latents are drawn from the prior and decoded: the inverse of renormalization, from the "
        "coarsest level to the finest."
    ]
    picture = setting.picture(figure, "samples.png", f"{SHOWN} samples at temperature 1.")
    return Findings(Section("Samples", text, pictures=[picture]), {"samples": SHOWN})


@torch.no_grad()
def temperatures(setting: Setting) -> Findings:
    """Samples at two temperatures, below and above the middle level."""
    flow = setting.flow
    cut = level_count(flow) // 2
    counts = setting.is_of_ellipses
    sheet = temperature_sheet(
        flow,
        two_temperatures(flow, LOWS, HIGHS, cut),
        setting.count(256),
        shown=3,
        count_broken=counts,
        seed=setting.seed,
    )
    labels = [f"T_high = {t:g}" for t in HIGHS]
    heads = [f"T_low = {t:g}" for t in LOWS]
    title = f"T_low at the levels below {cut}, T_high from level {cut} on"
    figure = temperature_figure(flow, sheet, labels, heads, title)
    text = [
        "A temperature is a factor on the standard deviation of latents. Low temperatures of the "
        "fine levels make smooth pictures, low temperatures of the coarse levels make typical "
        "ones. The random numbers are the same in all cells."
    ]
    tables = []
    if counts:
        text.append(
            f"Broken are samples with more than three pixels above 250 in all channels, among "
            f"{sheet.count}. Their errors are half the width of the 68% interval (Wilson), which "
            "is not zero where no sample is broken."
        )
        shares = list(map(share_text, sheet.broken.tolist(), sheet.broken_error.tolist()))
        rows = [
            [label, *shares[i * len(LOWS) : (i + 1) * len(LOWS)]] for i, label in enumerate(labels)
        ]
        tables.append(Table("Broken samples.", ["", *heads], rows))
    picture = setting.picture(figure, "temperatures.png", f"{title}.")
    report = {"table": title, **temperature_report(sheet)}
    return Findings(Section("Temperatures of the levels", text, tables, [picture]), report)


@torch.no_grad()
def walks(setting: Setting) -> Findings:
    """Walks along the principal directions of every level."""
    flow = setting.flow
    z = flow.prior.sample(1, 1.0, setting.generator("walks"))
    found = [
        one
        for h in range(level_count(flow))
        for one in principal_walks(
            flow,
            z,
            h,
            3,
            STEPS,
            points=setting.count(16),
            seed=setting.seed,
            tolerance=1e-4 if setting.effort >= 1 else CLOSE,
        )
    ]
    title = "one sample, walked along principal directions of each level"
    text = [
        "The principal directions of a level are those along which its latents change the picture "
        "most: the first eigenvectors of the mean of J^T J, with the Jacobian J of the picture in "
        "the latents of that level. In each row the sample in the middle is walked along one of "
        "them, a unit of the latents at a time."
    ]
    figure = walk_figure(flow, found, STEPS, title)
    picture = setting.picture(
        figure, "walks.png", "Rows: directions of a level. Columns: steps along them."
    )
    report = {"directions": [one.label.replace("\n", ", ") for one in found]}
    return Findings(Section("Walks by level", text, pictures=[picture]), report)


@torch.no_grad()
def fields(setting: Setting) -> Findings:
    """Receptive fields of all latents, their radii and sparsity."""
    flow, points = setting.flow, setting.count(16)
    found = receptive_fields(flow, n=points, seed=setting.seed)
    held_out = held_out_latents(
        flow,
        setting.config,
        setting.count(2000, least=FEWEST),
        seed=setting.seed,
        trust=setting.trust,
    )
    report = receptive_field_report(flow, found, held_out, setting.seed)
    figure = receptive_field_figure({"flow": found}, [report], f"mean |dx/dz|, {points} points")
    pictures = [
        setting.picture(
            figure,
            "receptive_fields.png",
            "Mean receptive field of each level around its latent, and numbers by level.",
        )
    ]
    for kind in ("strongest", "sparsest"):
        sheet = feature_sheet(found, kind, 10, f"{kind} features, each rolled to the centre")
        caption = f"Receptive fields of the {kind} latents of each level."
        pictures.append(setting.picture(sheet, f"{kind}.png", caption))
    text = [
        "The receptive field of a latent is the mean over samples of the absolute response of "
        "each pixel to it, summed over colours (arXiv:2010.00029, equation 14). Its strength is "
        "the sum of these responses R, its radius their root mean square distance from the "
        "centre, and its effective number of pixels (sum R)^2 / (sum R^2).",
        *_about(report),
    ]
    names = [name for name in COLUMNS if name in report["levels"][0]]
    rows = [
        [
            str(row["level"]),
            str(row["latents"]),
            *(shown(row[name], row[f"{name}_error"]) for name in names),
        ]
        for row in report["levels"]
    ]
    table = Table(
        "By level; kurtosis is the excess over that of a normal law (3 for a Laplace law).",
        ["level", "latents", *(COLUMNS[name] for name in names)],
        rows,
    )
    return Findings(Section("Receptive fields", text, [table], pictures), report)


def _about(report: dict[str, Any]) -> list[str]:
    """What the numbers say about cones and the growth of the radius."""
    found = []
    if "outside" in report["levels"][0]:
        largest = max(row["outside"] for row in report["levels"])
        found.append(
            "Outside of the generation cone, which follows from the geometry alone, the largest "
            f"response is {largest:g}."
        )
    if report["events"] < FEWEST:
        found.append(f"{few_events(report['events'])}.".capitalize())
    fit = report["fit"]
    if fit is not None:
        a = shown(fit["amplitude"], fit["amplitude_error"])
        b = shown(fit["exponent"], fit["exponent_error"])
        found.append(
            f"The radius grows like a 2^(b h) with the level h: a = {a} sites and b = {b}; for "
            "b = 1 it doubles with each level."
        )
    return found
