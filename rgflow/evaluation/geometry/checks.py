"""Part of the geometry: the Gaussian copula against estimators that assume no form of the law."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rgflow.analysis.geometry import OrbitPairs, orbit_pairs
from rgflow.evaluation.geometry.bulks import FLOW, Bulks
from rgflow.evaluation.study.setting import Findings
from rgflow.evaluation.summary import shown
from rgflow.plotting.page import Section, Table
from rgflow.runtime.json_text import plain
from rgflow.runtime.progress import progress
from rgflow.statistics.information import latent_mutual_information
from rgflow.statistics.information.normal_scores import normal_scores

SAMPLES = 16_000  # of a pair, over translations
BLOCKS = 16
_NAMES = {
    "gaussian_copula": "Gaussian copula",
    "nearest_neighbours": "nearest neighbours",
    "neural_bound": "neural bound",
}


def checks(bulks: Bulks) -> Findings:
    """Three estimators on the strongest, a middle and the weakest significant pair of cells."""
    setting = bulks.setting
    source = bulks.sources[FLOW]
    pairs = orbit_pairs(source.bulk)
    pairs = pairs.chosen(pairs.is_significant)
    text = [
        "The copula knows of linear dependence of normal scores only. Three pairs of cells are "
        "therefore looked at with estimators that assume no form of the law: k = 20 nearest "
        "neighbours (fewer for less than 1280 samples), and a neural lower bound. They see the "
        "leading canonical variables of both cells, one number each, whose directions come from "
        "one half of the states and whose informations from the other. The last column is the "
        "copula of the sizes |z| of all components, which may depend on one another where values "
        "do not. Samples of equal pairs over translations are put together, and errors come from "
        f"{BLOCKS} blocks of chains or of long pieces of them.",
    ]
    if not len(pairs.orbit):
        text.append("No pair of cells has an information of 4 standard errors or more.")
        return Findings(Section("Other estimators", text), {"pairs": []})
    order = pairs.information.argsort(descending=True)
    chosen = dict.fromkeys(
        [int(order[0]), int(order[len(order) // 2]), int(order[-1])]
    )  # each of them once
    names = ["strongest", "middle", "weakest significant"]
    if len(chosen) == 2:
        names.pop(1)
    tasks = list(zip(names, chosen, strict=False))
    rows, report = [], []
    for name, k in progress(tasks, "pairs of cells"):
        one = pairs.chosen(torch.tensor([k]))
        cells, found = _estimates(bulks, one)
        rows.append(
            [
                name,
                cells,
                shown(1e3 * float(one.information), 1e3 * float(one.error)),
                *(shown(1e3 * e.value, 1e3 * e.error) for e in found.values()),
            ]
        )
        report.append({"pair": name, "cells": cells, **plain(found)} | _numbers(one))
    caption = (
        "Information in 1e-3 nats. The first column is that of the maps of this page: all "
        "components, all translations."
    )
    heads = ["all pairs of the orbit", *(f"{_NAMES[n]}, {what}" for n, what in _KINDS)]
    table = Table(caption, ["pair", "cells", *heads], rows)
    return Findings(
        Section("Other estimators", text, [table]), {"pairs": report, "seed": setting.seed}
    )


_KINDS = (
    ("gaussian_copula", "leading variables"),
    ("nearest_neighbours", "leading variables"),
    ("neural_bound", "leading variables"),
    ("gaussian_copula", "all components"),
    ("gaussian_copula", "all sizes"),
)


def _numbers(one: OrbitPairs) -> dict[str, Any]:
    return {"information": float(one.information), "error": float(one.error)}


def _estimates(bulks: Bulks, one: OrbitPairs) -> tuple[str, dict[str, Any]]:
    """Where the cells are, and all estimates."""
    setting, source = bulks.setting, bulks.sources[FLOW]
    bulk = source.bulk
    i, j = (bulk.orbits == int(one.orbit)).nonzero()[: setting.count(16, least=1)].T
    by_cell = bulk.cells.of(source.latents)  # (N, n, d)
    states = setting.count(SAMPLES // len(i), least=20 * bulks.chains)
    keep = max(1, len(by_cell) // max(1, states))
    by_cell = by_cell.unflatten(0, (bulks.chains, -1))[:, ::keep].flatten(0, 1)
    # both halves are to have blocks of one size
    by_cell = by_cell[: len(by_cell) // (2 * BLOCKS) * 2 * BLOCKS]
    a, b = (_alike(by_cell[:, at]) for at in (i, j))  # (samples pairs, d)
    first, second = _leading(a, b)
    special = {
        "neural_bound": {"steps": setting.count(600, least=20)},
        "nearest_neighbours": {"k": max(1, min(20, len(a) // 64))},
    }
    settings = {"blocks": BLOCKS, "seed": setting.seed}
    found = {}
    for name, what in _KINDS:
        x, y = {"leading variables": (first, second), "all sizes": (a.abs(), b.abs())}.get(
            what, (a, b)
        )
        found[f"{name}, {what}"] = latent_mutual_information(
            x, y, name, **settings, **special.get(name, {})
        )
    level, other = int(one.first), int(one.second)
    where = f"levels {level} and {other}" if level != other else f"level {level}"
    return f"{where}, {float(one.r):.1f} sites apart", found


def _alike(x: Tensor) -> Tensor:
    """Normal scores of cells ``(N, pairs, d)`` that translations connect, ``(N pairs, d)``."""
    return normal_scores(x.flatten(0, 1)).double()


def _leading(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The first canonical variables of two vectors, ``(N / 2,)`` each.

    They are found in the first half of the samples and taken of the second: those of one and the
    same samples would be correlated also where the vectors are independent.
    """
    half = len(a) // 2
    fitted = [x[:half] for x in (a, b)]
    roots = [torch.linalg.cholesky(x.T @ x / half) for x in fitted]
    white = [
        torch.linalg.solve_triangular(root, x.T, upper=False)
        for root, x in zip(roots, fitted, strict=True)
    ]
    left, _, right = torch.linalg.svd(white[0] @ white[1].T / half)
    return tuple(
        x[half:] @ torch.linalg.solve_triangular(root.T, direction[:, None], upper=True)[:, 0]
        for x, root, direction in zip((a, b), roots, (left[:, 0], right[0]), strict=True)
    )
