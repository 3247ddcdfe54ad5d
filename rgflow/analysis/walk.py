"""Walks through latent space: along one latent, or a direction within one level."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.analysis.generation_layers import check_lattice, level_of_latents
from rgflow.analysis.receptive_fields import latent_indices
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field
from rgflow.runtime.seeds import generator_for


@torch.no_grad()
def walk(flow: Flow, z: Tensor, direction: Tensor, values: Sequence[float] | Tensor) -> Tensor:
    """Images or fields along a line in latent space, ``x_k = decode(z + v_k direction)``.

    Args:
        flow: The flow.
        z: Where the walk passes at v = 0, ``(B, C, L, L)``.
        direction: ``(C, L, L)``, or one for each start, ``(B, C, L, L)``.
        values: The K steps v.

    Returns:
        x, ``(K, B, C, L, L)``.

    Raises:
        ValueError: For other shapes, integers, or no step.

    >>> from rgflow.models import ConvLevels, conv_flow
    >>> flow = conv_flow(side=8, channels=1, levels=ConvLevels(couplings=2, hidden=8))
    >>> z = flow.prior.sample(2)
    >>> walk(flow, z, latent_direction(flow, (0, 3, 5)), [-1, 0, 1]).shape
    torch.Size([3, 2, 1, 8, 8])
    """
    event = tuple(flow.event_shape)
    for name, given, dims in (("z", z, [4]), ("direction", direction, [3, 4])):
        check_field(given, f"walk: {name}")
        shape = tuple(given.shape)
        if given.dim() not in dims or shape[-3:] != event or shape[:-3] not in ((), (len(z),)):
            raise ValueError(f"walk: got {name} of shape {shape}, expected (B, *{event})")
    steps = torch.as_tensor(values, dtype=z.dtype, device=z.device)
    if steps.dim() != 1 or not len(steps):
        raise ValueError(f"walk: got values of shape {tuple(steps.shape)}, expected K >= 1 steps")
    return torch.stack([flow.decode(z + step * direction) for step in steps])


def latent_direction(flow: Flow, latent: Sequence[int]) -> Tensor:
    """The direction of one latent ``(channel, row, column)``: 1 there, ``(C, L, L)``.

    Raises:
        ValueError: If there is no such latent.
    """
    c, row, column = latent_indices(flow, torch.tensor([list(latent)]))[0].tolist()
    direction = torch.zeros(flow.event_shape, dtype=flow.dtype, device=flow.device)
    direction[c, row, column] = 1
    return direction


@takes_counts
def random_directions(flow: Flow, level: int, count: int, seed: int = 0) -> Tensor:
    """Random directions within one level, ``(count, C, L, L)``.

    They are draws of the prior, cut off outside of the level: at v = 1 each of the level's latents
    has moved by one standard deviation on average.

    Args:
        flow: The flow.
        level: The level; 0 are all latents where the flow has no levels.
        count: Number of directions.
        seed: Seed of the draws.

    Raises:
        ValueError: If there is no such level.
    """
    mask = latents_of_level(flow, level)
    generator = generator_for("random directions", seed, level, device=flow.device)
    return flow.prior.sample(count, 1.0, generator) * mask


def latents_of_level(flow: Flow, level: int) -> Tensor:
    """The sites of the latents of one level, ``(L, L)`` booleans on the flow's device.

    Raises:
        ValueError: If there is no such level.
    """
    check_lattice(flow)
    levels = level_of_latents(flow)
    if not 0 <= level <= int(levels.max()):
        raise ValueError(f"level: got {level}, expected 0 to {int(levels.max())}")
    return (levels == level).to(flow.device)
