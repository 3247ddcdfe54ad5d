"""Walks through the latents of a level as rows of pictures with labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.principal import principal_directions
from rgflow.analysis.walk import random_directions, walk
from rgflow.flow import Flow
from rgflow.plotting.images import sample_image
from rgflow.plotting.sheets import SheetRow, sheet_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Walk(NamedTuple):
    """A walk of K steps: what is said of it, and its pictures ``(K, C, L, L)``."""

    label: str
    steps: Tensor


def random_walks(
    flow: Flow, z: Tensor, level: int, count: int, values: Sequence[float], seed: int = 0
) -> Iterator[Walk]:
    """Walks from z ``(1, C, L, L)`` along random directions within a level."""
    for i, direction in enumerate(random_directions(flow, level, count, seed)):
        yield Walk(f"level {level}\nrandom {i + 1}", walk(flow, z, direction, values)[:, 0])


def principal_walks(
    flow: Flow,
    z: Tensor,
    level: int,
    count: int,
    values: Sequence[float],
    *,
    points: int = 16,
    temperature: float = 0.8,
    seed: int = 0,
    tolerance: float = 1e-4,
) -> Iterator[Walk]:
    """Walks along the directions within a level to which the pixels respond most.

    Args:
        flow: The flow.
        z: Latents at step 0, ``(1, C, L, L)``.
        level: The level.
        count: Number of directions, largest response first.
        values: The steps.
        points: Number of points at which the response is measured.
        temperature: Of these points; at 1 single ones with huge responses may decide alone.
        seed: Seed of the points.
        tolerance: See `principal_directions`.
    """
    found = principal_directions(
        flow,
        level,
        count,
        points,
        seed=seed,
        temperature=temperature,
        tolerance=tolerance,
    )
    for size, error, direction in zip(found.response, found.error, found.directions, strict=True):
        label = f"level {level}\n|dx/dv| {size:.2g} ± {error:.2g}"
        yield Walk(label, walk(flow, z, direction, values)[:, 0])


def walk_figure(flow: Flow, walks: Sequence[Walk], values: Sequence[float], title: str) -> Figure:
    """The pictures of some walks in rows, under their steps; fields have one scale of colours."""
    x = torch.stack([one.steps for one in walks])  # (rows, K, C, L, L)
    images = sample_image(flow, x.flatten(0, 1)).unflatten(0, x.shape[:2])
    rows = [SheetRow(one.label, row) for one, row in zip(walks, images, strict=True)]
    return sheet_figure(rows, title, [f"{v:+.3g}" if v else "0" for v in values])
