"""Tables of levels x factors for a reader: as text, and as a figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from rgflow.analysis.bootstrap import Estimated
from rgflow.analysis.level_table import LevelTable
from rgflow.analysis.mixed_factors import MixedFactors, MixedPairs
from rgflow.evaluation.level_factors import LevelFactors
from rgflow.evaluation.summary import shown
from rgflow.plotting.heat_tables import HeatTable, heat_tables
from rgflow.plotting.images import labelled_grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADINGS = {
    "redrawn": "Change of each factor where one level of latents is drawn anew "
    "(1: as much as between independent images)",
    "informative": "R² of each factor, regressed on the latents of one level, on held-out images",
}
FROM = {"samples": "samples of the flow", "images": "encoded test images"}
BASE = (
    "The base is the mean of an image, which in MSDS1 its colours share and in MSDS2 its angles; "
    "an ellipse's own value is its difference from it."
)
_NAME, _COLUMN = 16, 20  # characters
_SHOWN = 8  # pairs in a picture


def level_factors_text(report: LevelFactors) -> str:
    """Both tables of a flow, with mean levels, disentanglement and completeness."""
    about = {
        "redrawn": f"{report.redrawn.images} {FROM[report.redrawn_from]}",
        "informative": f"{report.informative.images} images",
    }
    tables = [
        "\n".join([f"{heading}; {about[name]}", *table_lines(getattr(report, name))])
        for name, heading in HEADINGS.items()
    ]
    return "\n\n".join([f"{report.dataset}, seed {report.seed}", *tables, BASE])


def level_factors_figure(report: LevelFactors) -> Figure:
    """Both tables of a flow as heat maps, with the mean level of each factor below it."""
    titles = {
        "redrawn": f"change where one level is redrawn, 1 = independent image "
        f"({report.redrawn.images} {FROM[report.redrawn_from]})",
        "informative": "R² of a regression on one level alone "
        f"({report.informative.images} held-out test images)",
    }
    tables = []
    for name, title in titles.items():
        table = getattr(report, name)
        means = zip(*map(Tensor.tolist, table.mean_level), strict=True)
        notes = [f"mean level\n{shown(mean, error)}" for mean, error in means]
        rows = list(map(level_name, table.blocks))
        tables.append(HeatTable(title, rows, table.factors, *table.importance, notes))
    return heat_tables(tables, f"{report.dataset}: which level holds which factor")


def level_name(block: str) -> str:
    """The name of a block of latents for a reader.

    >>> level_name("level0"), level_name("scale1")
    ('level 0', 'scale 1')
    """
    return block.rstrip("0123456789") + " " + block.lstrip("abcdefghijklmnopqrstuvwxyz")


def table_lines(table: LevelTable) -> Iterator[str]:
    """The lines of one table."""
    yield _line("", [*table.factors, "disentanglement"])
    rows = zip(*table.importance, *table.disentanglement, strict=True)
    for name, (value, error, d, d_error) in zip(table.blocks, rows, strict=True):
        yield _line(
            level_name(name), [*_cells(Estimated(value, error)), shown(float(d), float(d_error))]
        )
    yield _line("mean level", _cells(table.mean_level))
    yield _line("completeness", _cells(table.completeness))
    if any(part.value.isnan().any() for part in (table.mean_level, table.disentanglement)):
        yield "a dash: cannot be measured, as no importance in its row or column is above 0"
    d, c = _cells(table.overall)
    yield f"disentanglement {d} (1: a level has one factor alone)"
    yield f"completeness {c} (1: a factor is in one level alone)"


def mixed_figure(mixed: MixedPairs, what: str) -> Figure:
    """The first pairs at all cut-offs; ``what`` says of what they are."""
    return pairs_figure(mixed.images[:, :_SHOWN], what)


def pairs_figure(images: Tensor, what: str) -> Figure:
    """Mixtures at all cut-offs, uint8 ``(cuts, N, C, L, L)``, a pair in each row."""
    rows = list(images.transpose(0, 1))
    cuts = [f"h = {h}" for h in range(len(images))]
    cuts[0], cuts[-1] = f"A ({cuts[0]})", f"B ({cuts[-1]})"
    blank = [""] * len(cuts)
    names, labels = [f"pair {i + 1}" for i in range(len(rows))], [blank] * (len(rows) - 1)
    title = f"pairs of {what}\nlatents of A at levels >= h, of B below"
    return labelled_grid(rows, names, [cuts, *labels], title)


def mixed_text(mixed: MixedFactors, what: str) -> str:
    """Which share of each factor comes from A at every cut-off, and how far the rest is away."""
    titles = {
        "share_of_a": "Share of each factor that comes from A, whose latents are those of levels "
        ">= h (1: A's, 0: B's; outside of that where a factor goes beyond both)",
        "distance_to_a": "Squared distance to A's factor (1: as that between A and B; more where "
        "mixing makes a factor that neither has)",
        "distance_to_b": "Squared distance to B's factor (the same with B)",
    }
    tables = []
    for name, title in titles.items():
        rows = zip(mixed.cuts, *getattr(mixed, name), strict=True)
        lines = [_line(f"h = {h}", _cells(Estimated(v, e))) for h, v, e in rows]
        tables.append("\n".join([title, _line("", mixed.factors), *lines]))
    return "\n\n".join([f"{mixed.pairs} pairs of {what}", *tables, BASE])


def _cells(estimated: Estimated) -> list[str]:
    pairs = zip(estimated.value.tolist(), estimated.error.tolist(), strict=True)
    return [shown(value, error) for value, error in pairs]


def _line(name: str, cells: Sequence[str]) -> str:
    return (f"{name:<{_NAME}}" + "".join(f"{cell:>{_COLUMN}}" for cell in cells)).rstrip()
