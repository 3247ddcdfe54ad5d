"""Sampling from the law of a completion by HMC, from starts that look like samples."""

from __future__ import annotations

import logging
from dataclasses import replace

import torch
from torch import Tensor

from rgflow.analysis.completion import LatentCompletion, PixelCompletion
from rgflow.analysis.completion_search import Effort, Law, most_probable
from rgflow.bijectors.pixels import acts_on_pixels
from rgflow.flow import Flow
from rgflow.montecarlo.hmc import HMCChains, hmc
from rgflow.runtime.progress import progress

log = logging.getLogger(__name__)

PULL = 1 / 32
"""To how much known pixels are held in the search for a start: 8 shades of images, and for fields
this share of the standard deviation of the fields that are restored together."""
PART = 64
"""Numbers that are changed at a time, one by one, for the derivatives of the latents."""
LEAST_ACCEPTANCE = 0.1
"""Mean acceptance of HMC, below which its last states are mostly those from where it started."""


def sampled_completions(
    law: Law,
    flow: Flow,
    x: Tensor,
    unknown: Tensor,
    latents: Tensor,
    effort: Effort,
    generator: torch.Generator,
) -> HMCChains:
    """HMC from a redrawn completion whose latents were pulled towards the known pixels first.

    A search in the latents, with known pixels held to `PULL` or to the tolerance of the law,
    leaves an object in a hole where one was drawn, and takes its colours and edges to what is
    around.

    Args:
        law: The law to sample from.
        flow: The flow.
        x: ``(B, C, L, L)``.
        unknown: ``(L, L)`` bool.
        latents: ``(L, L)`` bool, the latents that are drawn anew.
        effort: Numbers of steps.
        generator: Source of the random numbers.
    """
    pulled = law
    if isinstance(law, PixelCompletion):
        spread = 1.0 if acts_on_pixels(flow.bijector) else float(x.std()) or 1.0
        pulled = LatentCompletion(flow, x, unknown, latents, PULL * spread)
    start = typical_start(pulled, effort.draws, generator)
    quarter = replace(effort, search=max(1, effort.search // 4))
    u = most_probable(pulled, start, quarter)
    if isinstance(law, PixelCompletion):
        with torch.no_grad():
            u = law.of_latents(pulled.latents(u))
        u = most_probable(law, u, replace(effort, search=max(1, effort.search // 10)))
        law.evaluations += pulled.evaluations
    return chains_of(law, u, effort, generator)


@torch.no_grad()
def typical_start(law: LatentCompletion, count: int, generator: torch.Generator) -> Tensor:
    """Latents from which to sample, ``(B, C, n)``: the best out of some redrawn ones.

    The latents of each image are drawn anew ``count`` times, at temperature 1, and the draw is
    taken whose picture comes closest to the known pixels. Where a hole has room for an object,
    the most probable completion may be an empty one that hardly any sample looks like, and HMC
    would not leave it.
    """
    draws = law.drawn(count, generator)  # (B, count, C, n)
    misfits = torch.stack([law.misfit(one) for one in draws.unbind(1)], 1)
    best = misfits.nan_to_num(torch.inf).argmin(1)
    return draws[torch.arange(len(draws)), best]


def chains_of(law: Law, start: Tensor, effort: Effort, generator: torch.Generator) -> HMCChains:
    """HMC from some completions, ``(B, C, n)``, in coordinates in which the law is nearly round.

    For `PixelCompletion` these are ``v`` with ``u = start + A v`` and ``A A^T = (J J^T)^-1``, J
    being the derivatives of the latents at the start: for latents of unit variance, the law of v
    has a covariance near 1 whatever the pixels' scales are.

    A warning says so where the chains hardly move, see `LEAST_ACCEPTANCE`.

    Returns:
        Chains whose samples are u, ``(T, B, C, n)``.
    """
    if isinstance(law, PixelCompletion):
        target = _Rounded(law, start, _inverse_root(law, start))
    else:
        target = _Rounded(law, start, None)
    chains = hmc(
        target,
        torch.zeros_like(start),
        steps=effort.trajectories,
        warmup=effort.warmup,
        generator=generator,
        leapfrog_steps=effort.leapfrog_steps,
    )
    if not chains.acceptance >= LEAST_ACCEPTANCE:
        log.warning(
            "HMC accepted a share of %.2g of its trajectories, expected at least %g: the results "
            "stay where HMC started and are no samples; more trajectories of warm-up find a "
            "smaller step size",
            chains.acceptance,
            LEAST_ACCEPTANCE,
        )
    return chains._replace(samples=torch.stack([target.completions(v) for v in chains.samples]))


class _Rounded:
    """A law in the coordinates v, ``u = start + A v``; A is 1 if None."""

    def __init__(self, law: Law, start: Tensor, root: Tensor | None) -> None:
        self.law, self.start, self.root = law, start, root
        self.event_shape = law.event_shape

    def completions(self, v: Tensor) -> Tensor:
        return self.start + self._times(v, transpose=False)

    def energy(self, v: Tensor) -> Tensor:
        return self.law.energy(self.completions(v))

    def force(self, v: Tensor) -> Tensor:
        return self._times(self.law.force(self.completions(v)), transpose=True)

    def _times(self, v: Tensor, *, transpose: bool) -> Tensor:
        if self.root is None:
            return v
        root = self.root.mT if transpose else self.root
        return (root @ v.flatten(1)[..., None]).view_as(v)


@torch.no_grad()
def _inverse_root(law: PixelCompletion, u: Tensor) -> Tensor:
    """A with ``A A^T = (J J^T)^-1`` for each image, ``(B, D, D)``, by finite differences."""
    step = torch.finfo(u.dtype).eps ** (1 / 3)
    size = u[0].numel()
    here = law.latents(u)[:, None]  # (B, 1, numbers)
    rows = []
    for part in progress(torch.eye(size, dtype=u.dtype, device=u.device).split(PART), "scales"):
        shifted = u[:, None] + step * part.view(1, -1, *u.shape[1:])  # (B, part, C, n)
        there = law.latents(shifted.flatten(0, 1)).unflatten(0, shifted.shape[:2])
        rows.append((there - here) / step)
    jacobian = torch.cat(rows, 1).double()  # (B, D, numbers)
    metric = jacobian @ jacobian.mT
    scale = metric.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    metric = metric + 1e-9 * scale * torch.eye(size, dtype=metric.dtype, device=u.device)
    lower = torch.linalg.cholesky(metric)
    one = torch.eye(size, dtype=metric.dtype, device=u.device).expand_as(lower)
    return torch.linalg.solve_triangular(lower.mT, one, upper=True).to(u)
