"""Phases of complex fields: how often they wind about the lattice, and their vortices."""

import math

import torch
from torch import Tensor

from rgflow.runtime.fields import check_field


def field_phases(x: Tensor) -> Tensor:
    """Phases of complex fields, ``(B, 2, L, L) -> (B, L, L)``, in (-pi, pi].

    Raises:
        ValueError: If the fields have not two components.
    """
    check_field(x, "field_phases")
    if x.dim() != 4 or x.shape[1] != 2:
        raise ValueError(f"got fields of shape {tuple(x.shape)}, expected (B, 2, L, L)")
    return torch.atan2(x[:, 1], x[:, 0])


def winding_numbers(x: Tensor) -> Tensor:
    r"""How often the phase winds about the periodic lattice, in the mean over its lines.

    Along one line it is ``(2 pi)^-1 sum wrap(theta_{i+1} - theta_i)``, a whole number, where wrap
    takes angles to (-pi, pi]. It is the same on all lines where there are no vortices.

    Args:
        x: Fields ``(B, 2, L, L)``: real and imaginary part.

    Returns:
        Along columns (from row to row) and along rows, ``(B, 2)``.

    Raises:
        ValueError: If the fields have not two components.

    >>> angle = (2 * math.pi * torch.arange(8) / 8).expand(1, 8, 8)
    >>> [round(n) for n in winding_numbers(torch.stack((angle.cos(), angle.sin()), 1))[0].tolist()]
    [0, 1]
    """
    theta = field_phases(x)
    turns = [_wrapped(theta.roll(-1, axis) - theta).sum(axis).mean(1) for axis in (1, 2)]
    return (torch.stack(turns, 1) / (2 * math.pi)).round(decimals=6)


def vortex_density(x: Tensor) -> Tensor:
    """Number of vortices and antivortices per site, ``(B, 2, L, L) -> (B,)``.

    A plaquette holds one where the phase turns by 2 pi around it.

    Raises:
        ValueError: If the fields have not two components.
    """
    theta = field_phases(x)
    down, right = (_wrapped(theta.roll(-1, axis) - theta) for axis in (1, 2))
    around = right + down.roll(-1, 2) - right.roll(-1, 1) - down
    return (around / (2 * math.pi)).round().abs().mean((1, 2))


def _wrapped(angle: Tensor) -> Tensor:
    return math.pi - torch.remainder(math.pi - angle, 2 * math.pi)
