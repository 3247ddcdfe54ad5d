"""Whether latents change pixels outside of their generation cones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.receptive_fields import ReceptiveFields
from rgflow.flow import Flow

PART = 1024  # cones that are in memory at a time


class ConeSupport(NamedTuple):
    """Responses inside and outside of the generation cones.

    Attributes:
        pixels: The mean number of pixels in the cone of a latent, by level, ``(H,)``.
        responding: The mean number of pixels that respond to it, by level, ``(H,)``.
        outside: The largest response outside of its cone, by level, ``(H,)``; 0 is exact.
    """

    pixels: Tensor
    responding: Tensor
    outside: Tensor


def cone_support(flow: Flow, fields: ReceptiveFields) -> ConeSupport | None:
    """Compares receptive fields with the generation cones of their latents.

    Args:
        flow: The flow.
        fields: Its receptive fields.

    Returns:
        The comparison; NaN for levels of which there is no latent. None where the flow has no
        cones, as Real NVP and flows with a Fourier map.
    """
    hierarchy = flow.hierarchy
    if hierarchy is None:
        return None
    count, side = hierarchy.levels, hierarchy.side
    pixels, responding, outside = (torch.zeros(count, dtype=torch.float64) for _ in range(3))
    for part in torch.arange(len(fields.latents)).split(PART):
        _, row, column = fields.latents[part].T
        mask = torch.zeros(len(part), side, side, dtype=torch.bool)
        mask[torch.arange(len(part)), row, column] = True
        cone = hierarchy.generation_cone(mask)
        field, levels = fields.mean[part].cpu().double(), fields.levels[part]
        pixels.index_add_(0, levels, cone.flatten(1).sum(1).double())
        responding.index_add_(0, levels, (field != 0).flatten(1).sum(1).double())
        leak = (field * ~cone).flatten(1).amax(1)
        outside.scatter_reduce_(0, levels, leak, "amax")
    numbers = torch.bincount(fields.levels, minlength=count).double()
    missing = torch.where(numbers > 0, 0.0, torch.nan)
    return ConeSupport(pixels / numbers, responding / numbers, outside + missing)
