"""How much of each factor changes where the latents of one level are drawn anew."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.analysis.factors import Measure, independent_difference, squared_difference
from rgflow.analysis.level_table import LevelTable, Sums, level_table
from rgflow.analysis.levels import latent_blocks
from rgflow.bijectors.pixels import to_image
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for


@torch.no_grad()
@takes_counts
def redraw_table(
    flow: Flow,
    z: Tensor,
    measure: Measure,
    *,
    contains_others: Sequence[str] = (),
    seed: int = 0,
    batch_size: int = 256,
) -> LevelTable:
    r"""Redraws one block of latents, keeps the rest, and asks how much each factor f changes.

    The importance of a block is

        E |f(x) - f(x')|^2 / E |f(x) - f(y)|^2,

    where x' is x with that block of latents drawn anew from the prior, and y is independent of x:
    1 means as much as an independent image, 0 not at all. For latents that are drawn from the
    prior this is the total index of Sobol's analysis of variance, in the form of Jansen (Computer
    Physics Communications 117, 35, 1999): the share of the variance of f that the block has part
    in. The indices of all blocks sum to 1 if f is a sum of functions of single blocks, and to more
    otherwise.

    Args:
        flow: The flow of images.
        z: Latents ``(N, C, L, L)`` of samples or of encoded images.
        measure: Measures the factors of images.
        contains_others: See `level_table`.
        seed: Seed of the redrawn latents and of the bootstrap.
        batch_size: Images that go through the flow at a time.

    Raises:
        ValueError: If there are fewer than two images.
    """
    blocks = latent_blocks(flow)
    prior = flow.prior.sample(len(z), 1.0, generator_for("redraw", seed, device=flow.device))
    variants = [z, *(torch.where(mask.to(z.device), prior, z) for mask in blocks.masks)]
    base, *changed = (
        measure(decode_images(flow, latents, batch_size))
        for latents in progress(variants, "levels")
    )
    tops, bottoms = [], []  # one pair (sum, weight) for each block and factor
    for name, factor in base.items():
        tops.append([squared_difference(factor, other[name]) for other in changed])
        bottoms.append(independent_difference(factor))
    top, top_weight = (
        torch.stack([torch.stack([pair[i] for pair in row], -1) for row in tops], -1)
        for i in range(2)
    )  # (N, H, F)
    bottom, bottom_weight = (
        torch.stack([pair[i] for pair in bottoms], -1)[:, None] for i in range(2)
    )  # (N, 1, F)
    sums = Sums(top, top_weight, bottom, bottom_weight)
    return level_table(blocks.names, list(base), sums, contains_others=contains_others, seed=seed)


@torch.no_grad()
def decode_images(flow: Flow, z: Tensor, batch_size: int = 256) -> Tensor:
    """The images of latents, uint8 ``(N, C, L, L)`` on the CPU, in batches."""
    return torch.cat([to_image(flow.decode(part)).cpu() for part in z.split(batch_size)])
