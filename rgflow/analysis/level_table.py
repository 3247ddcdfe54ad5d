"""Tables of latent blocks x factors: mean levels, disentanglement and completeness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.bootstrap import Estimated, bootstrap


class LevelTable(NamedTuple):
    """How much each block of latents has to do with each factor of variation.

    Attributes:
        blocks: Names of the H blocks of latents, fine to coarse.
        factors: Names of the F factors.
        importance: ``(H, F)``, defined by the function that makes the table: `redraw_table` or
            `regression_table`.
        mean_level: ``(F,)``, the centre of mass ``sum_h h R_hf / sum_h R_hf`` of each factor's
            importances R; 0 is the finest block.
        completeness: ``(F,)``, 1 if one block alone has the factor, 0 if all have it alike:
            ``1 - H(R_.f / sum R_.f) / ln H`` with the entropy H.
        disentanglement: ``(H,)``, 1 if the block has to do with one factor alone, 0 if with all
            alike: ``1 - H(R_h. / sum R_h.) / ln F``, over the factors that no other contains.
        overall: ``(2,)``, disentanglement averaged over the blocks and completeness averaged over
            those factors, with the importances of each as weights.
        images: Number of images behind the table.

    Reference: Eastwood and Williams, A framework for the quantitative evaluation of disentangled
    representations, ICLR 2018, with blocks of latents in the place of single ones.
    """

    blocks: tuple[str, ...]
    factors: tuple[str, ...]
    importance: Estimated
    mean_level: Estimated
    completeness: Estimated
    disentanglement: Estimated
    overall: Estimated
    images: int


class Sums(NamedTuple):
    """What each of N images adds to the averages of a table.

    The importance is the ratio of the averages ``sum top / sum top_weight`` and
    ``sum bottom / sum bottom_weight``, all of shape ``(N, H, F)`` or broadcast against it.
    """

    top: Tensor
    top_weight: Tensor
    bottom: Tensor
    bottom_weight: Tensor


def level_table(
    blocks: Sequence[str],
    factors: Sequence[str],
    sums: Sums,
    *,
    is_rest: bool = False,
    contains_others: Sequence[str] = (),
    seed: int = 0,
) -> LevelTable:
    """The table of ratios of averages over images, with errors from a bootstrap over them.

    Args:
        blocks: Names of the H blocks.
        factors: Names of the F factors.
        sums: What each image adds.
        is_rest: Whether the importance is one minus the ratio, as that of an R^2.
        contains_others: Factors that others are parts of, as the colour is made of the image's
            base colour and the ellipse's own; the disentanglement leaves them out.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: If there are fewer than two images.
    """
    count = len(sums.top)
    shape = (count, len(blocks), len(factors))
    flat = Sums(*(part.double().expand(shape).flatten(1) for part in sums))
    counted = torch.tensor([name not in contains_others for name in factors])

    def numbers(weights: Tensor) -> tuple[Tensor, ...]:  # (draws, N)
        top, top_weight, bottom, bottom_weight = (weights @ part for part in flat)
        ratio = (top / top_weight) / (bottom / bottom_weight)
        ratio = (1 - ratio if is_rest else ratio).unflatten(1, shape[1:])
        return ratio, *summaries(ratio, counted)

    estimates = bootstrap(numbers, count, seed)
    return LevelTable(tuple(blocks), tuple(factors), *estimates, images=count)


def summaries(importance: Tensor, counted: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean levels, completeness, disentanglement and the last two overall, of a batch of tables.

    Args:
        importance: ``(B, H, F)``; negative numbers, which estimates of nothing can be, and NaN, as
            for a factor that never changes, count as 0.
        counted: ``(F,)`` bool, the factors that the disentanglement is about.

    Returns:
        ``(B, F)``, ``(B, F)``, ``(B, H)``, ``(B, 2)``; NaN for a factor, or block, of importance 0
        everywhere, and for the completeness of a single block.
    """
    table = importance.nan_to_num(0.0).clamp_min(0)
    level = torch.arange(table.shape[1], dtype=table.dtype)
    mean_level = (table * level[:, None]).sum(1) / table.sum(1)
    completeness = _concentration(table, 1)
    alone = table[..., counted]
    disentanglement = _concentration(alone, 2)
    of_blocks, of_factors = alone.sum(2), alone.sum(1)
    overall = torch.stack(
        (
            (disentanglement * of_blocks).nansum(1) / of_blocks.sum(1),
            (completeness[:, counted] * of_factors).nansum(1) / of_factors.sum(1),
        ),
        1,
    )
    return mean_level, completeness, disentanglement, overall


def _concentration(table: Tensor, axis: int) -> Tensor:
    """One minus the entropy of the shares along an axis over its largest value."""
    count = table.shape[axis]
    share = table / table.sum(axis, keepdim=True)
    if count == 1:
        return torch.full_like(share.sum(axis), torch.nan)
    return 1 + torch.xlogy(share, share).sum(axis) / math.log(count)
