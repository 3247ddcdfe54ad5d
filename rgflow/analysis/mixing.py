"""Mixing features of two images by scale (arXiv:2010.00029, section 4.3)."""

import torch
from torch import Tensor

from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field


@takes_counts
def mix(flow: Flow, z_a: Tensor, z_b: Tensor, level: int) -> Tensor:
    r"""Coarse latents of A with fine latents of B.

    ``z^(h) = z_A^(h)`` for ``h >= level`` and ``z_B^(h)`` for ``h < level``: level 0 gives A, and
    the number of levels gives B.

    Reference: arXiv:2010.00029, section 4.3.

    Args:
        flow: A hierarchical flow.
        z_a: Latents ``(B, C, L, L)``, as `Flow.encode` makes them.
        z_b: Latents of the same shape.
        level: The cut-off level, 0 to ``flow.hierarchy.levels`` inclusive.

    Returns:
        Latents ``(B, C, L, L)``, for `Flow.decode`.

    Raises:
        ValueError: If shapes differ or are not the flow's, the level is out of range, or the flow
            has no levels.
    """
    _check_latents(flow, z_a, z_b)
    hierarchy = flow.known_hierarchy()
    levels = hierarchy.levels
    if not 0 <= level <= levels:
        raise ValueError(
            f"level: got {level}, expected 0 to {levels} for a flow of {levels} levels"
        )
    from_a = hierarchy.level_of_site >= level  # (L, L)
    return torch.where(from_a.to(z_a.device), z_a, z_b)


def mixing_strip(flow: Flow, z_a: Tensor, z_b: Tensor) -> Tensor:
    """Mixed latents at every cut-off level, from A (level 0) to B (the number of levels).

    Args:
        flow: A hierarchical flow.
        z_a: Latents ``(B, C, L, L)``.
        z_b: Latents of the same shape.

    Returns:
        Latents ``(levels + 1, B, C, L, L)``.

    Raises:
        ValueError: As `mix` does.
    """
    _check_latents(flow, z_a, z_b)
    return torch.stack([mix(flow, z_a, z_b, h) for h in range(flow.known_hierarchy().levels + 1)])


def _check_latents(flow: Flow, z_a: Tensor, z_b: Tensor) -> None:
    for z in (z_a, z_b):
        check_field(z, "mix")
    event = tuple(flow.event_shape)
    if z_a.shape != z_b.shape or tuple(z_a.shape[1:]) != event:
        got = f"{tuple(z_a.shape)} and {tuple(z_b.shape)}"
        raise ValueError(
            f"latents: got shapes {got}, expected twice (B, {', '.join(map(str, event))})"
        )
