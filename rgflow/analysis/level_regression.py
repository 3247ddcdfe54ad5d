"""How well the latents of one level alone tell each factor: ridge regression on images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.analysis.factors import Factor, Factors
from rgflow.analysis.level_table import LevelTable, Sums, level_table
from rgflow.analysis.levels import latent_blocks
from rgflow.analysis.ridge import ridge_predictions
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress

LEAST_MARGIN = 2  # sites of its level around a cell whose latents count as local
FITTED = 0.8
"""The part of the images on which regressions are fitted; the others are held out."""


@torch.no_grad()
@takes_counts
def regression_table(
    flow: Flow,
    z: Tensor,
    factors: Factors,
    *,
    contains_others: Sequence[str] = (),
    seed: int = 0,
) -> LevelTable:
    r"""Informativeness: the R^2 of each factor, regressed on the latents of one block.

    A factor of the whole image is regressed on all latents of the block, one of a cell on those in
    the cell and around it, within two sites of the block's own lattice, each cell on its own. The
    regressors are the latents and their absolute values: a latent whose sign is arbitrary tells
    how much there is of something by its size. The importance is

        1 - sum |f - f_predicted|^2 / sum |f - mean f|^2

    over the last fifth of the images, which the fit has not seen. It is 0 if the latents tell
    nothing, and slightly negative if the fit followed noise. The errors are those of these
    images, not those of another fit.

    Args:
        flow: The flow, for the places of its latents.
        z: Latents ``(N, C, L, L)`` of encoded images.
        factors: The known factors of the images.
        contains_others: See `level_table`.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: If there are fewer than 20 images.
    """
    if len(z) < 20:
        raise ValueError(f"got {len(z)} images, expected at least 20 for a regression")
    blocks = latent_blocks(flow)
    fitted = int(FITTED * len(z))
    z = z.detach().cpu().double()
    by_places: dict[int, dict[str, Factor]] = {}  # factors that share their regressors
    for name, factor in factors.items():
        by_places.setdefault(factor.values.shape[1], {})[name] = factor
    jobs = [
        (h, places, place)
        for h in range(len(blocks.names))
        for places in by_places
        for place in range(places)
    ]
    names = list(factors)
    errors = torch.zeros(len(z) - fitted, len(blocks.names), len(names), dtype=torch.float64)
    totals = torch.zeros_like(errors)
    for h, places, place in progress(jobs, "regressions"):
        sites = _local_sites(blocks.masks[h], places, place, LEAST_MARGIN << h)
        latents = z[:, :, sites].flatten(1)
        group = by_places[places]
        values = [factor.values[:, place].double() for factor in group.values()]
        weights = torch.stack([f.weights[:, place] for f in group.values()]).double()
        predicted = ridge_predictions(
            torch.cat((latents, latents.abs()), 1), values, weights.prod(0), fitted
        )
        for name, value, weight, guess in zip(group, values, weights, predicted, strict=True):
            known = weight[:fitted, None]
            mean = (value[:fitted] * known).sum(0) / known.sum()
            f = names.index(name)
            held_out, weight = value[fitted:], weight[fitted:]
            errors[:, h, f] += (held_out - guess).square().sum(1) * weight
            totals[:, h, f] += (held_out - mean).square().sum(1) * weight
    one = torch.ones(1, 1, 1)
    sums = Sums(errors, one, totals, one)
    options = {"contains_others": contains_others, "seed": seed}
    return level_table(blocks.names, names, sums, is_rest=True, **options)


def _local_sites(mask: Tensor, places: int, place: int, margin: int) -> Tensor:
    """The sites of a block ``(L, L)`` within the margin, in pixels, of a cell of the image."""
    side = mask.shape[-1]
    across = round(places**0.5)
    cell = side // across
    index = torch.arange(side)
    near = []
    for corner in (cell * (place // across), cell * (place % across)):
        after = (index - corner + margin).remainder(side)  # from the margin's first site on
        near.append((after < cell + 2 * margin) | (cell + 2 * margin >= side))
    return mask & near[0][:, None] & near[1][None, :]
