"""The latents of each level: where they are, their values, and images from the coarse ones."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.chain import Chain
from rgflow.bijectors.pixels import dequantize, to_image
from rgflow.bijectors.realnvp import RealNVP
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field
from rgflow.runtime.seeds import generator_for


class LatentBlocks(NamedTuple):
    """Blocks of a flow's latents, fine to coarse: names, and masks of sites ``(H, L, L)``."""

    names: tuple[str, ...]
    masks: Tensor


def latent_blocks(flow: Flow) -> LatentBlocks:
    """The blocks in which a flow emits its latents, fine to coarse.

    These are ``level0``, ``level1``, ... of a hierarchy, ``scale0``, ``scale1``, ... of a
    multi-scale Real NVP, whose scales emit half of their channels each, or ``all`` together.
    """
    hierarchy = flow.hierarchy
    scales = _scales(flow.bijector)
    if hierarchy is not None:
        names = tuple(f"level{h}" for h in range(hierarchy.levels))
        masks = torch.stack([hierarchy.level_mask(h) for h in range(hierarchy.levels)])
    elif scales is not None:
        names = tuple(f"scale{s}" for s in range(int(scales.max()) + 1))
        masks = torch.stack([scales == s for s in range(len(names))])
    else:
        names = ("all",)
        masks = torch.ones(1, *flow.event_shape[-2:], dtype=torch.bool)
    return LatentBlocks(names, masks)


def latents_by_level(flow: Flow, z: Tensor) -> dict[str, Tensor]:
    """The latents of each block of `latent_blocks`.

    Args:
        flow: The flow.
        z: Latents ``(B, C, L, L)``, as `Flow.encode` makes them.

    Returns:
        For the name of each block a tensor ``(B, C, sites of the block)``.
    """
    check_field(z, "latents_by_level")
    names, masks = latent_blocks(flow)
    return {name: z[..., mask] for name, mask in zip(names, masks.to(z.device), strict=True)}


def _scales(bijector: Bijector) -> Tensor | None:
    """The scale of each site of a Real NVP, where it is the one part that couples sites."""
    parts = bijector.bijectors if isinstance(bijector, Chain) else [bijector]
    others = [part for part in parts if part.reaches != ()]
    is_realnvp = len(others) == 1 and isinstance(others[0], RealNVP)
    return others[0].scale_of_site if is_realnvp else None


@torch.no_grad()
@takes_counts
def level_reconstructions(flow: Flow, images: Tensor, seed: int = 0) -> list[Tensor]:
    """Images rebuilt from the latents of level >= h, for h = 0 (all), 1, ...; the rest is zero.

    Args:
        flow: The flow; for one without a hierarchy the result is empty.
        images: uint8 ``(B, C, L, L)``.
        seed: Seed of the dequantization noise.

    Returns:
        One uint8 tensor ``(B, C, L, L)`` for each level.
    """
    hierarchy = flow.hierarchy
    if hierarchy is None:
        return []
    x = dequantize(images, generator_for("reconstructions", seed, device=images.device))
    z = flow.encode(x.to(flow.dtype))
    level_of_site = hierarchy.level_of_site.to(z.device)  # (L, L)
    kept = (torch.where(level_of_site >= h, z, 0.0) for h in range(hierarchy.levels))
    return [to_image(flow.decode(latents)) for latents in kept]
