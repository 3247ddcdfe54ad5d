"""Parts of a study: restoration, and the independence of the latents."""

from __future__ import annotations

import torch

from rgflow.analysis.completion_search import USUAL
from rgflow.analysis.independence import latent_independence
from rgflow.evaluation.held_out import CHAINS, held_out_latents
from rgflow.evaluation.independence import DRAWN, KINDS, TITLE, dependence_tables
from rgflow.evaluation.restoration import restoration_cell, restore, rows_of
from rgflow.evaluation.study.setting import Findings, Setting
from rgflow.evaluation.summary import shown
from rgflow.plotting.independence import independence_figure
from rgflow.plotting.page import Section, Table

IMAGES = 6  # that are restored
LEAST = 2 * CHAINS  # images or states whose latents are looked at together


def restoration(setting: Setting) -> Findings:
    """A square of a quarter of the side, restored in three ways."""
    flow = setting.flow
    side = flow.event_shape[-1]
    size = max(1, side // 4)
    low = side * 3 // 8 - size // 2  # in MSDS, the cell of one ellipse
    unknown = torch.zeros(side, side, dtype=torch.bool)
    unknown[low : low + size, low : low + size] = True
    found = restore(
        flow,
        setting.examples(setting.count(IMAGES)),
        unknown,
        effort=USUAL.scaled(min(1.0, setting.effort)),
        seed=setting.seed,
    )
    one = next(iter(found.report.values()))
    text = [
        f"The {size} x {size} pixels from row and column {low} on are unknown. They can change "
        f"{one['latent_sites_touched']} of {one['latent_sites']} latent sites, and only those may "
        "change. Three ways: redraw these latents from the prior; search the most probable "
        "completion; draw one from the law of the unknown pixels, given the known ones, by HMC.",
    ]
    rows = [
        [title, *(restoration_cell(part[name]) for part in found.report.values())]
        for name, title in rows_of(found.report)
    ]
    caption = (
        "Errors and moves are root mean squares. A method that redraws latents moves known pixels "
        "as well, which are then put back."
    )
    table = Table(caption, ["", *found.report], rows)
    picture = setting.picture(found.figure(), "restoration.png", "Restored pictures.")
    return Findings(Section("Restoration", text, [table], [picture]), found.report)


def independence(setting: Setting) -> Findings:
    """Residual mutual information of the latents of held-out images or states."""
    z, chains = held_out_latents(
        setting.flow,
        setting.config,
        setting.test_count(5000, least=LEAST),
        seed=setting.seed,
        trust=setting.trust,
    )
    found = latent_independence(
        setting.flow,
        z,
        most_latents=setting.count(1024, least=32),
        blocks=chains,
        seed=setting.seed,
    )
    figure = independence_figure({"flow": dependence_tables(found)}, TITLE)
    report = found.report()
    text = [
        "The prior is factorized: a perfect flow leaves no information between two latents "
        "(arXiv:1903.00804). This is what is left on held-out "
        + ("images" if setting.is_of_images else "states")
        + ", by a Gaussian copula, with the value for shuffled samples taken off. Sizes |z| are "
        "looked at apart, as sparse latents may be uncorrelated and still large at the same "
        "places."
    ]
    names = [f"level {h}" for h in range(found.levels)]
    tables = []
    for measure in DRAWN:
        part = report["nearest"][measure]
        rows = [
            [
                name,
                *(
                    shown(1e3 * value, 1e3 * error)
                    for value, error in zip(values, errors, strict=True)
                ),
            ]
            for name, values, errors in zip(names, part["mean"], part["error"], strict=True)
        ]
        caption = f"{KINDS[measure]}: information of neighbouring latents, in 1e-3 nats."
        tables.append(Table(caption, ["", *names], rows))
    picture = setting.picture(figure, "independence.png", f"{TITLE}.")
    return Findings(Section("Independence of the latents", text, tables, [picture]), report)
