"""The collective mode: what the latents of the coarsest level make of the whole lattice."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.geometry.phases import vortex_density, winding_numbers
from rgflow.flow import Flow
from rgflow.ops import plain
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for


class CollectiveMode(NamedTuple):
    """Fields whose coarsest latents are given, at P points; errors are those of means over draws.

    Attributes:
        mean: Mean field of the lattice, mean over draws, ``(P, C)``.
        mean_error: Its standard errors.
        amplitude: ``|mean field of the lattice|``, mean over draws, ``(P,)``.
        amplitude_error: Its standard errors.
        phase: Phase of the mean field in (-pi, pi], circular mean over draws, ``(P,)``; for one
            component 0 or pi, its sign.
        phase_error: Its standard errors, radians; they mean something where coherence is large.
        coherence: Length of the mean over draws of ``exp(i phase)``, 1 where all draws have the
            same phase.
        winding: Winding numbers along both axes, ``(P, 2)``; NaN unless there are two components.
        winding_error: Their standard errors.
        vortices: Vortices per site, ``(P,)``; NaN unless there are two components.
    """

    mean: Tensor
    mean_error: Tensor
    amplitude: Tensor
    amplitude_error: Tensor
    phase: Tensor
    phase_error: Tensor
    coherence: Tensor
    winding: Tensor
    winding_error: Tensor
    vortices: Tensor


@torch.no_grad()
@takes_counts
def collective_mode(
    flow: Flow, offsets: Tensor, draws: int = 32, *, temperature: float = 1.0, seed: int = 0
) -> CollectiveMode:
    """Decodes given latents of the coarsest level with random latents of all finer ones.

    The finer latents are the same at all points, so that what differs between points is what the
    coarsest ones do.

    Args:
        flow: A flow of fields with a hierarchy.
        offsets: Latents of the coarsest level at P points, ``(P, C, L, L)``; zero elsewhere.
        draws: Number of draws of the finer latents, at least 2.
        temperature: Factor on the prior's standard deviation for the finer latents.
        seed: Seed of the draws.

    Raises:
        ValueError: If the flow has no levels, shapes differ, latents of finer levels are not
            zero, or there are not two draws.
    """
    hierarchy = flow.known_hierarchy()
    top = hierarchy.level_mask(hierarchy.levels - 1).to(flow.device)
    if offsets.shape[1:] != torch.Size(flow.event_shape) or offsets[..., ~top].any():
        raise ValueError(
            f"offsets: got {tuple(offsets.shape)}, expected (P, *{tuple(flow.event_shape)}), zero "
            "outside of the coarsest level"
        )
    if draws < 2:
        raise ValueError(f"draws: got {draws}, expected at least 2")
    generator = generator_for("collective mode", seed, device=flow.device)
    finer = flow.prior.sample(draws, temperature, generator) * ~top
    offsets = offsets.to(finer)
    return CollectiveMode(
        *(
            torch.stack(parts)
            for parts in zip(
                *(_one(flow.decode(finer + offset)) for offset in progress(offsets, "points")),
                strict=True,
            )
        )
    )


@takes_counts
def collective_directions(
    flow: Flow, n: int = 16, *, temperature: float = 1.0, seed: int = 0
) -> Tensor:
    r"""Directions among the coarsest latents to which the mean field of the lattice responds most.

    They are the first C eigenvectors of ``E_z[J^T J]`` with the Jacobian ``J = dm / dz`` of the
    mean field m in the latents of the coarsest level.

    Args:
        flow: A flow of fields with a hierarchy.
        n: Number of points z, drawn from the prior.
        temperature: Factor on the prior's standard deviation for the points.
        seed: Seed of the points.

    Returns:
        Directions of unit length, strongest first, ``(C, C, L, L)``; fewer if the coarsest level
        has fewer latents. Along each of them the component of m that changes most in the mean
        over the points grows.

    Raises:
        ValueError: If the flow has no levels, or there is no point.
    """
    hierarchy = flow.known_hierarchy()
    top = hierarchy.level_mask(hierarchy.levels - 1).expand(flow.event_shape).to(flow.device)
    if n < 1:
        raise ValueError(f"n: got {n}, expected at least 1")
    generator = generator_for("collective directions", seed, device=flow.device)
    z = flow.prior.sample(n, temperature, generator).detach().requires_grad_()
    with plain(), torch.enable_grad():
        mean = flow.decode(z).mean((0, 2, 3))  # (C,), 1/n of the sum over points
        rows = [torch.autograd.grad(m, z, retain_graph=True)[0][:, top] for m in mean]
    jacobian = n * torch.stack(rows, 1).double()  # (n, C, latents)
    second = (jacobian.mT @ jacobian).mean(0).cpu()
    vectors = torch.linalg.eigh(second).eigenvectors.flip(1)[:, : len(mean)]
    response = jacobian.mean(0).cpu() @ vectors  # (C, directions)
    vectors = vectors * response.gather(0, response.abs().argmax(0)[None]).sign()
    found = torch.zeros(vectors.shape[1], *flow.event_shape, dtype=flow.dtype)
    found[:, top.cpu()] = vectors.T.to(flow.dtype)
    return found.to(flow.device)


def _one(x: Tensor) -> CollectiveMode:
    """All numbers of one point from its draws ``(D, C, L, L)``."""
    x = x.double().cpu()
    channels = x.shape[1]
    mean = x.mean((2, 3))  # (D, C)
    root = len(x) ** 0.5
    amplitude = mean.norm(dim=1)
    if channels == 2:
        angle = torch.atan2(mean[:, 1], mean[:, 0])
        winding, vortices = winding_numbers(x), vortex_density(x)
    else:
        angle = math.pi * (mean[:, 0] < 0).double()
        winding = torch.full((len(x), 2), torch.nan, dtype=torch.float64)
        vortices = winding[:, 0]
    direction = torch.stack((angle.cos(), angle.sin())).mean(1)
    phase = torch.atan2(direction[1].round(decimals=12), direction[0])
    across = torch.sin(angle - phase).square().mean().sqrt()
    return CollectiveMode(
        mean.mean(0),
        mean.std(0) / root,
        amplitude.mean(),
        amplitude.std() / root,
        phase,
        across / (direction.norm() * root),
        direction.norm(),
        winding.mean(0),
        winding.std(0) / root,
        vortices.mean(),
    )
