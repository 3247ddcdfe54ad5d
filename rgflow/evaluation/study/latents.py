"""Parts of a study: restoration, and the independence of the latents."""

from __future__ import annotations

import torch

from rgflow.analysis.independence import latent_independence
from rgflow.evaluation.held_out import CHAINS, held_out_latents
from rgflow.evaluation.independence import TITLE, dependence_tables
from rgflow.evaluation.restoration import ROWS, restoration_cell, restore
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
    found = restore(flow, setting.examples(IMAGES), unknown, seed=setting.seed)
    one = next(iter(found.report.values()))
    text = [
        f"{size} x {size} pixels near the middle are unknown. They can change "
        f"{one['latents_touched']} of {one['latents_in_all']} latent sites, and only those may "
        "change. Three ways: redraw these latents from the prior; search the most probable "
        "completion; draw one from the law of the unknown pixels, given the known ones, by HMC.",
    ]
    rows = [
        [name.replace("_", " "), *(restoration_cell(part[name]) for part in found.report.values())]
        for name in ROWS
    ]
    unit = "shades" if setting.is_of_images else "units of the field"
    caption = (
        f"Errors, and by how much known pixels moved before they were put back, are root mean "
        f"squares in {unit}. Blocks are those of one evaluation of the flow, and in all those of "
        "the whole flow. The acceptance is that of HMC."
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
    for measure, what in (("values", "values"), ("sizes", "sizes")):
        part = report["nearest"][measure]
        rows = [
            [
                name,
                *(
                    "" if value != value else shown(1e3 * value, 1e3 * error)
                    for value, error in zip(values, errors, strict=True)
                ),
            ]
            for name, values, errors in zip(names, part["mean"], part["error"], strict=True)
        ]
        caption = f"Information of neighbouring latents, of their {what}, in 1e-3 nats."
        tables.append(Table(caption, ["", *names], rows))
    picture = setting.picture(figure, "independence.png", f"{TITLE}.")
    return Findings(Section("Independence of the latents", text, tables, [picture]), report)
