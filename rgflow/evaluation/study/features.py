"""Parts of a study: which level holds which factor, and mixing of two pictures."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from rgflow.analysis.level_table import LevelTable
from rgflow.analysis.mixing import mixing_strip
from rgflow.evaluation.level_factors import level_factors
from rgflow.evaluation.mixed_ellipses import mixed_ellipses
from rgflow.evaluation.shown_factors import (
    BASE,
    level_factors_figure,
    level_name,
    mixed_figure,
    pairs_figure,
)
from rgflow.evaluation.study.setting import Findings, Setting
from rgflow.evaluation.summary import shown
from rgflow.plotting.images import sample_image
from rgflow.plotting.page import Section, Table
from rgflow.runtime.json_text import plain

PAIRS = 6  # in the picture of a flow without known factors
HEADING = "Mixing of two pictures by level"


def factors(setting: Setting) -> Findings:
    """Which level holds colour, orientation and position of the ellipses of MSDS."""
    found = level_factors(
        setting.flow,
        setting.data,
        samples=setting.count(1000),
        images=setting.test_count(5000, least=100),
        seed=setting.seed,
        trust=setting.trust,
    )
    text = [
        "The factors of these drawings are known. In the first table the latents of one level are "
        "drawn anew and all others are kept; 1 means that a factor changes as much as between "
        "independent images, 0 that it stays. In the second table a ridge regression tells a "
        "factor of held-out images from the latents of one level alone.",
        "The mean level of a factor is the centre of mass of its column; 0 is the finest level. "
        + BASE,
    ]
    tables = [
        _table("Change of each factor where one level is redrawn.", found.redrawn),
        _table("R² of each factor, told from one level alone.", found.informative),
    ]
    picture = setting.picture(
        level_factors_figure(found), "factors.png", "Both tables as pictures."
    )
    section = Section("Levels and factors", text, tables, [picture])
    return Findings(section, plain(found))


def _table(caption: str, table: LevelTable) -> Table:
    rows = [
        [level_name(block), *_cells(values.tolist(), errors.tolist())]
        for block, values, errors in zip(table.blocks, *table.importance, strict=True)
    ]
    rows.append(["mean level", *_cells(*(part.tolist() for part in table.mean_level))])
    return Table(caption, ["", *table.factors], rows)


def _cells(values: Sequence[float], errors: Sequence[float]) -> list[str]:
    return [shown(value, error) for value, error in zip(values, errors, strict=True)]


@torch.no_grad()
def mixing(setting: Setting) -> Findings:
    """Coarse latents of A with fine latents of B, at every cut-off level."""
    text = [
        "Latents of a picture A at the levels >= h are put together with latents of a picture B "
        "at the levels below h (arXiv:2010.00029, section 4.3)."
    ]
    if setting.is_of_ellipses and len(setting.test_images) >= 4:
        return _mixed_ellipses(setting, text)
    z = setting.flow.prior.sample(2 * PAIRS, 1.0, setting.generator("mixing"))
    strip = mixing_strip(setting.flow, *z.chunk(2))  # (cuts, N, C, L, L)
    images = sample_image(setting.flow, setting.flow.decode(strip.flatten(0, 1)))
    figure = pairs_figure(images.unflatten(0, strip.shape[:2]), "samples")
    picture = setting.picture(figure, "mixing.png", "Pairs of samples at all cut-offs h.")
    return Findings(Section(HEADING, text, pictures=[picture]), {"pairs": PAIRS})


def _mixed_ellipses(setting: Setting, text: list[str]) -> Findings:
    pairs = min(setting.count(500), len(setting.test_images) // 2)
    mixed = mixed_ellipses(
        setting.flow, setting.data, pairs, seed=setting.seed, trust=setting.trust
    )
    found = mixed.factors
    text = [
        *text,
        f"The factors of {pairs} mixtures of test images are measured at each cut-off: 1 is the "
        "factor of A, 0 that of B, and a share outside of that is a factor beyond both.",
    ]
    rows = [
        [f"h = {h}", *_cells(values.tolist(), errors.tolist())]
        for h, values, errors in zip(found.cuts, *found.share_of_a, strict=True)
    ]
    table = Table("Share of each factor that comes from A.", ["", *found.factors], rows)
    picture = setting.picture(mixed_figure(mixed, "test images"), "mixing.png", "The first pairs.")
    report = {"dataset": setting.data["dataset"], **plain(found)}
    return Findings(Section(HEADING, text, [table], [picture]), report)
