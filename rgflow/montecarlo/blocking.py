"""Kadanoff's blocking of configurations."""

import torch
from torch import Tensor

from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field


@takes_counts
def block_spins(
    spins: Tensor, side: int = 2, rule: str = "majority", *, generator: torch.Generator
) -> Tensor:
    """One spin for every block of spins.

    Args:
        spins: +1 and -1, ``(..., H, W)``.
        side: Side of a block; it divides H and W.
        rule: ``"majority"``, with ties broken at random, or ``"decimation"``, which keeps the
            spin of the block's first corner.
        generator: Source of the signs that break ties, on any device.

    Returns:
        Spins ``(..., H / side, W / side)`` of the same type.

    Raises:
        ValueError: If blocks do not tile the lattice, or the rule is unknown.

    >>> spins = torch.tensor([[1, 1, -1, -1], [1, -1, -1, -1]])
    >>> block_spins(spins, generator=torch.Generator()).tolist()
    [[1, -1]]
    """
    if rule not in ("majority", "decimation"):
        raise ValueError(f"rule: got {rule!r}, expected 'majority' or 'decimation'")
    blocks = blocks_of(spins, side)
    if rule == "decimation":
        return blocks[..., 0].clone()
    total = blocks.sum(-1)
    coin = torch.randint(0, 2, total.shape, generator=generator, device=generator.device)
    coin = 2 * coin.to(total.device) - 1
    return torch.where(total == 0, coin, total.sign()).to(spins.dtype)


@takes_counts
def block_field(x: Tensor, side: int = 2) -> Tensor:
    """Mean of a field over blocks, ``(..., H, W) -> (..., H / side, W / side)``.

    Raises:
        ValueError: If blocks do not tile the lattice.
    """
    check_field(x, "block_field")
    return blocks_of(x, side).mean(-1)


def blocks_of(x: Tensor, side: int) -> Tensor:
    """The sites of each block along one axis, ``(..., H / side, W / side, side * side)``.

    Raises:
        ValueError: If blocks do not tile the lattice.
    """
    if side < 1:
        raise ValueError(f"got blocks of side {side}, expected at least 1")
    if x.dim() < 2 or x.shape[-1] % side or x.shape[-2] % side:
        raise ValueError(
            f"got a lattice of shape {tuple(x.shape[-2:])}, expected two sides that are multiples "
            f"of {side}"
        )
    x = x.unflatten(-1, (-1, side)).unflatten(-3, (-1, side))  # (..., h, side, w, side)
    return x.transpose(-3, -2).flatten(-2)
