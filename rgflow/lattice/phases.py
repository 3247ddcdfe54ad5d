"""Turns of the phases of complex fields."""

from __future__ import annotations

import torch
from torch import Tensor


def turned_phases(x: Tensor, angles: Tensor) -> Tensor:
    """Complex fields times ``exp(i angle)``, one angle for each field.

    Args:
        x: Real and imaginary parts as two channels, ``(B, 2, H, W)``.
        angles: ``(B,)``, or one angle ``()`` for all.

    >>> x = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1)
    >>> turned_phases(x, torch.tensor(torch.pi / 2)).flatten().round(decimals=3).tolist()
    [-2.0, 1.0]
    """
    cosine, sine = (wave(angles).to(x).view(-1, 1, 1) for wave in (torch.cos, torch.sin))
    real, imaginary = x.unbind(1)
    return torch.stack([cosine * real - sine * imaginary, sine * real + cosine * imaginary], 1)
