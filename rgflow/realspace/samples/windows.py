"""Blocks cut out of configurations, and the sites around them as their environment."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Windows(NamedTuple):
    """Spins of blocks, ``(M, side * side)``, and of their environments, ``(M, sites)``; floats."""

    blocks: Tensor
    environment: Tensor


def cut_windows(spins: Tensor, side: int, buffer: int, stride: int) -> Windows:
    """Blocks of configurations on a torus, each with a ring of sites around it as environment.

    Args:
        spins: Spins +1 and -1, ``(N, H, W)``.
        side: Side of a block in sites.
        buffer: Width of the ring between block and environment that is left out.
        stride: Distance between neighbouring blocks, a divisor of H and W.

    Returns:
        M = N (H / stride) (W / stride) windows, ordered by configuration. Each environment is a
        ring of width 1.

    Raises:
        ValueError: If the windows do not fit on the lattice.
    """
    reach = buffer + 1
    window = side + 2 * reach
    height, width = spins.shape[-2:]
    fits = side >= 1 and buffer >= 0 and stride >= 1 and window <= min(height, width)
    if not fits or height % stride or width % stride:
        raise ValueError(
            f"got side={side}, buffer={buffer}, stride={stride} on a {height}x{width} lattice, "
            f"expected windows of {window} sites to fit and a stride >= 1 that divides the sides"
        )
    spins = nn.functional.pad(spins[:, None].float(), (0, window - 1, 0, window - 1), "circular")
    patches = spins[:, 0].unfold(1, window, stride).unfold(2, window, stride)
    patches = patches[:, : height // stride, : width // stride].reshape(-1, window, window)
    inside = torch.zeros(window, window, dtype=torch.bool, device=spins.device)
    inside[1:-1, 1:-1] = True
    block = patches[:, reach:-reach, reach:-reach].flatten(1)
    return Windows(block.clone(), patches[:, ~inside])


def split_torus(spins: Tensor, side: int) -> Windows:
    """The block in the corner of each configuration, with all other sites as its environment.

    Args:
        spins: Spins +1 and -1, ``(N, H, W)``.
        side: Side of the block in sites.
    """
    inside = torch.zeros(spins.shape[-2:], dtype=torch.bool, device=spins.device)
    inside[:side, :side] = True
    return Windows(spins[:, inside].float(), spins[:, ~inside].float())
