"""Block spins drawn by a filter, a learnable generalisation of the majority rule."""

import torch
from torch import Tensor

from rgflow.montecarlo.blocking import blocks_of


def block_law(blocks: Tensor, weights: Tensor) -> Tensor:
    """Law of the block spin, ``P(t | v) ~ exp(t w.v)``, for t = +1 and -1.

    Args:
        blocks: Spins v of each block, ``(..., spins)``.
        weights: Filter w, ``(spins,)``.

    Returns:
        Probabilities, ``(..., 2)``.

    >>> block_law(torch.tensor([1.0, -1.0]), torch.tensor([0.5, 0.5])).tolist()
    [0.5, 0.5]
    """
    field = blocks @ weights
    return torch.stack([field, -field], -1).softmax(-1)


def symmetrize(weights: Tensor) -> Tensor:
    """Mean of a filter over the rotations and reflections of the square, ``(side, side)``.

    >>> symmetrize(torch.tensor([[4.0, 0.0], [0.0, 0.0]])).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    turned = [weights.rot90(k) for k in range(4)]
    return torch.stack([*turned, *(x.T for x in turned)]).mean(0)


def filter_spins(spins: Tensor, weights: Tensor, *, generator: torch.Generator) -> Tensor:
    r"""Draw a block spin for every block from ``P(t | v) ~ exp(t sum_i w_i v_i)``.

    Args:
        spins: Spins +1 and -1, ``(..., H, W)``.
        weights: Filter w, ``(side, side)``; large equal weights give the majority rule with random
            ties.
        generator: Random numbers of the draws, on any device.

    Returns:
        Block spins of the type of the spins, ``(..., H / side, W / side)``.

    Raises:
        ValueError: If the filter is not square or the blocks do not tile the lattice.
    """
    side = len(weights)
    if weights.shape != (side, side):
        raise ValueError(f"got a filter of shape {tuple(weights.shape)}, expected a square one")
    blocks = blocks_of(spins, side)
    up = block_law(blocks.to(weights.dtype), weights.flatten())[..., 0]
    draw = torch.rand(up.shape, generator=generator, device=generator.device, dtype=up.dtype)
    return torch.where(draw.to(up.device) < up, 1, -1).to(spins.dtype)
