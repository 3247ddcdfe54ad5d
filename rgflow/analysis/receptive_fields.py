"""Receptive fields of latents: how strongly each pixel responds to each of them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.generation_layers import check_lattice, level_of_latents
from rgflow.analysis.tangents import Responses
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for


class ReceptiveFields(NamedTuple):
    """Receptive fields of M latents.

    Attributes:
        latents: Channel, row and column of each latent, ``(M, 3)``.
        levels: The level of each, ``(M,)``; all 0 where there are no levels.
        mean: The receptive fields, ``(M, L, L)``.
        error: Their standard errors over the draws of z, ``(M, L, L)``.
        level_pictures: For each draw and level the mean over the level's latents, each shifted so
            that the latent stands at ``(L // 2, L // 2)``: ``(n, H, L, L)``; NaN for levels of
            which no latent was asked for.
    """

    latents: Tensor
    levels: Tensor
    mean: Tensor
    error: Tensor
    level_pictures: Tensor


@torch.no_grad()
@takes_counts
def receptive_fields(
    flow: Flow,
    latents: Tensor | None = None,
    n: int = 16,
    *,
    seed: int = 0,
    temperature: float = 1.0,
    space: str = "data",
) -> ReceptiveFields:
    r"""The mean absolute response of each pixel to each latent, summed over its C components.

    ``R_l(s) = E_z sum_c |d x_c(s) / d z_l|``, with exact derivatives at n points z drawn from the
    prior. All latents are computed together, layer by layer (see `rgflow.analysis.tangents`).

    Args:
        flow: A flow of images or fields ``(C, L, L)``.
        latents: Which latents: integers ``(M, 3)`` of channel, row and column, or a mask
            ``(C, L, L)``; all if None.
        n: Number of points, at least 2.
        seed: Seed of their draws.
        temperature: Factor on the prior's standard deviation in these draws.
        space: ``"data"``: x is what ``flow.decode`` gives, intensities (shade / 255) or the field.
            ``"levels"``: x is what the levels give, before the inverse of the pixel logit or of
            the Fourier map.

    Raises:
        ValueError: For fewer than two points, latents that do not exist, another space, or events
            of another shape.

    Reference: arXiv:2010.00029, equation 14.

    >>> from rgflow.models import ConvLevels, conv_flow
    >>> flow = conv_flow(side=8, channels=1, levels=ConvLevels(couplings=2, hidden=8))
    >>> receptive_fields(flow, n=2).mean.shape
    torch.Size([64, 8, 8])
    """
    check_lattice(flow)
    if n < 2:
        raise ValueError(f"n: got {n}, expected at least 2 points for a standard error")
    chosen = latent_indices(flow, latents)
    levels = level_of_latents(flow)[chosen[:, 1], chosen[:, 2]]
    generator = generator_for("receptive fields", seed, device=flow.device)
    points = flow.prior.sample(n, temperature, generator)
    responses = Responses(flow, chosen, space)
    side, count = flow.event_shape[-1], int(level_of_latents(flow).max()) + 1
    mean = points.new_zeros(len(chosen), side, side)
    squares = torch.zeros_like(mean)  # sums of squared differences from the mean
    pictures = points.new_zeros(n, count, side, side)
    for k, z in enumerate(progress(points, "points of receptive fields")):
        for part, tangents in responses.at(z):
            field = tangents.abs_().sum(0).movedim(-1, 0)  # (m, L, L)
            difference = field - mean[part]
            mean[part] += difference / (k + 1)
            squares[part] += difference * (field - mean[part])
            pictures[k].index_add_(0, levels[part], centred(field, chosen[part]))
    of_level = torch.bincount(levels, minlength=count).to(pictures)
    pictures = pictures / of_level.where(of_level > 0, torch.nan)[:, None, None]
    return ReceptiveFields(chosen, levels, mean, (squares / (n - 1) / n).sqrt(), pictures)


def centred(fields: Tensor, latents: Tensor) -> Tensor:
    """Pictures shifted periodically so that their latents stand at ``(L // 2, L // 2)``.

    Args:
        fields: ``(M, L, L)``.
        latents: ``(M, 3)``, channel, row and column.
    """
    side = fields.shape[-1]
    index = torch.arange(side, device=fields.device) - side // 2
    rows, columns = ((latents[:, i, None].to(index) + index) % side for i in (1, 2))
    number = torch.arange(len(fields), device=fields.device)
    return fields[number[:, None, None], rows[:, :, None], columns[:, None, :]]


def latent_indices(flow: Flow, latents: Tensor | None) -> Tensor:
    """Channel, row and column of latents, ``(M, 3)``, from such a list, a mask, or None for all.

    Raises:
        ValueError: For another shape or type, no latent, or latents that do not exist.
    """
    shape = tuple(flow.event_shape)
    if latents is None:
        return torch.ones(shape, dtype=torch.bool).nonzero()
    if latents.dtype == torch.bool and tuple(latents.shape) == shape:
        latents = latents.nonzero()
    is_list = latents.dim() == 2 and latents.shape[1] == 3 and not latents.is_floating_point()
    if not is_list or latents.dtype == torch.bool:
        raise ValueError(
            f"latents: got shape {tuple(latents.shape)} of {latents.dtype}, expected integers "
            f"(M, 3) or a mask {shape}"
        )
    latents = latents.cpu().long()
    if not len(latents):
        raise ValueError("latents: got none, expected at least one")
    outside = ((latents < 0) | (latents >= torch.tensor(shape))).any(1)
    if outside.any():
        raise ValueError(
            f"latents: got {tuple(latents[outside][0].tolist())}, expected channel, row and "
            f"column within {shape}"
        )
    return latents
