"""What the latents of each level hold: their values, and what is rebuilt from the coarse ones."""

import torch
from torch import Tensor

from rgflow.bijectors.pixels import dequantize, to_image
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field
from rgflow.runtime.seeds import generator_for


def latents_by_level(flow: Flow, z: Tensor) -> dict[str, Tensor]:
    """The latents of each level; all of them together if the flow has no hierarchy, as Real NVP.

    Args:
        flow: The flow.
        z: Latents ``(B, C, L, L)``, as `Flow.encode` makes them.

    Returns:
        For ``level0``, ``level1``, ... tensors ``(B, C, sites of the level)``, or ``z`` as
        ``all``.
    """
    check_field(z, "latents_by_level")
    hierarchy = flow.hierarchy
    if hierarchy is None:
        return {"all": z}
    masks = (hierarchy.level_mask(h).to(z.device) for h in range(hierarchy.levels))
    return {f"level{h}": z[..., mask] for h, mask in enumerate(masks)}


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
