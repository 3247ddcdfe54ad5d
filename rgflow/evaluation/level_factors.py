"""Which level of a flow holds which factor of MSDS: both tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from rgflow.analysis.encoding import latents_of_images
from rgflow.analysis.level_regression import regression_table
from rgflow.analysis.level_table import LevelTable
from rgflow.analysis.redrawing import redraw_table
from rgflow.evaluation.msds_factors import (
    SHARED,
    labelled_factors,
    measured_factors,
    msds_test_images,
)
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.seeds import generator_for

SOURCES = ("samples", "images")


class LevelFactors(NamedTuple):
    """Both tables of a flow of MSDS.

    Attributes:
        dataset: ``msds1`` or ``msds2``.
        redrawn: What changes where a block of latents is drawn anew, see `redraw_table`.
        redrawn_from: ``samples`` of the flow, or encoded test ``images``.
        informative: What a block of latents tells, see `regression_table`.
        seed: Seed of samples, redrawn latents, noise and bootstrap.
    """

    dataset: str
    redrawn: LevelTable
    redrawn_from: str
    informative: LevelTable
    seed: int


@torch.no_grad()
@takes_counts
def level_factors(
    flow: Flow,
    node: Mapping[str, Any] | None,
    *,
    samples: int = 1000,
    images: int = 5000,
    redrawn_from: str = "samples",
    seed: int = 0,
    trust: str | Sequence[str] = (),
) -> LevelFactors:
    """Both tables of a flow that was trained on MSDS.

    Args:
        flow: The flow.
        node: The node ``data`` of its configuration, which says what its test images are.
        samples: Samples, or test images, whose latents are drawn anew.
        images: Test images of the regression, four fifths of which are fitted.
        redrawn_from: ``samples`` or ``images``.
        seed: Seed of all random numbers.
        trust: Names of users' own modules that may be imported and called.

    Raises:
        ValueError: If the data are not MSDS, or there are too few images.
    """
    if redrawn_from not in SOURCES:
        raise ValueError(f"got {redrawn_from!r}, expected {' or '.join(SOURCES)}")
    least = {"samples": 2, "images": 20}
    for name, number in (("samples", samples), ("images", images)):
        if number < least[name]:
            raise ValueError(f"{name}: got {number}, expected at least {least[name]}")
    needed = max(images, samples if redrawn_from == "images" else 0)
    test = msds_test_images(node, needed, trust)
    options = {"contains_others": (SHARED[test.kind],), "seed": seed}
    latents = latents_of_images(flow, test.images, seed)
    if redrawn_from == "images":
        z = latents[:samples]
    else:
        generator = generator_for("samples", seed, device=flow.device)
        z = flow.prior.sample(samples, 1.0, generator)
    redrawn = redraw_table(flow, z, partial(measured_factors, kind=test.kind), **options)
    known = labelled_factors(test.labels[:images], test.kind)
    informative = regression_table(flow, latents[:images], known, **options)
    return LevelFactors(f"msds{test.kind}", redrawn, redrawn_from, informative, seed)
