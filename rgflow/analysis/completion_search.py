"""Searching the law of a completion for its most probable one, and sampling from it by HMC."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from rgflow.analysis.completion import LatentCompletion, PixelCompletion
from rgflow.flow import Flow
from rgflow.montecarlo.hmc import HMCChains, hmc
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress

log = logging.getLogger(__name__)

Law = PixelCompletion | LatentCompletion

COOL = 0.5
"""Temperature at which further starts of a search are drawn."""
KEPT = 4
"""One in this many starts goes on after each round of a search."""
PART = 64
"""Numbers that are changed at a time, one by one, for the derivatives of the latents."""
LEAST_ACCEPTANCE = 0.1
"""Mean acceptance of HMC, below which its last states are mostly those from where it started."""


@takes_counts
@dataclass(frozen=True)
class Effort:
    """How long is searched and sampled.

    Attributes:
        starts: Starts of the search for the most probable completion of each image: the smoothest
            one, and others from redrawn latents. After each round the best quarter goes on.
        search: Steps of Adam in all rounds together.
        learning_rate: Of Adam, in the coordinates of the energy; it falls to zero in each round.
        draws: Redrawn completions of each image, the best of which is where HMC starts.
        warmup: Trajectories in which the step size of HMC is tuned.
        trajectories: Trajectories after that; the last state is the result.
        leapfrog_steps: Mean number of leapfrog steps of a trajectory.
    """

    starts: int = 8
    search: int = 600
    learning_rate: float = 0.1
    draws: int = 32
    warmup: int = 30
    trajectories: int = 20
    leapfrog_steps: int = 8

    def __post_init__(self) -> None:
        if min(self.starts, self.search, self.draws) < 1:
            raise ValueError(
                f"got starts={self.starts}, search={self.search} and draws={self.draws}, expected "
                "1 or more of all"
            )


USUAL = Effort()
"""The effort that a picture of 32 x 32 is worth."""


@torch.no_grad()
def candidates(
    law: Law, flow: Flow, x: Tensor, latents: Tensor, count: int, generator: torch.Generator
) -> Tensor:
    """Starts of a search, ``count`` for each of B images, one after another: ``(B count, C, n)``.

    The first is x itself. The others have some latents drawn anew at the temperature `COOL`.

    Args:
        law: Its coordinates are those of the result.
        flow: The flow.
        x: ``(B, C, L, L)``.
        latents: ``(L, L)`` bool, the latents that are drawn anew.
        count: At least 1.
        generator: Source of the random numbers.
    """
    own = law.start()
    if count == 1:
        return own
    mask = latents.to(x.device)
    draws = flow.prior.sample(len(x) * (count - 1), COOL, generator)  # (B (count - 1), C, L, L)
    if isinstance(law, LatentCompletion):
        others = draws.flatten(2)[..., mask.flatten()]
    else:
        z = flow.encode(x).repeat_interleave(count - 1, 0)
        others = law.of_latents(torch.where(mask, draws, z))
    others = others.unflatten(0, (len(x), count - 1))
    return torch.cat((own[:, None], others), 1).flatten(0, 1)


@torch.no_grad()
def typical_start(
    law: Law,
    flow: Flow,
    x: Tensor,
    unknown: Tensor,
    latents: Tensor,
    count: int,
    generator: torch.Generator,
) -> Tensor:
    """Completions from which to sample, ``(B, C, n)``: the best out of some redrawn ones.

    Of each image, some latents are drawn anew ``count`` times, at temperature 1, and the draw is
    taken whose picture comes closest to the known pixels. Where a hole has room for an object,
    the most probable completion may be an empty one that hardly any sample looks like, and HMC
    would not leave it.

    Args:
        law: Its coordinates are those of the result.
        flow: The flow.
        x: ``(B, C, L, L)``.
        unknown: ``(L, L)`` bool.
        latents: ``(L, L)`` bool, the latents that are drawn anew.
        count: At least 1.
        generator: Source of the random numbers.
    """
    mask, known = latents.to(x.device), ~unknown.to(x.device)
    draws = flow.prior.sample(len(x) * count, 1.0, generator)
    z = torch.where(mask, draws, flow.encode(x).repeat_interleave(count, 0))
    off = (flow.decode(z) - x.repeat_interleave(count, 0))[..., known].flatten(1)
    best = off.square().sum(1).nan_to_num(torch.inf).view(-1, count).argmin(1)
    chosen = z.unflatten(0, (-1, count))[torch.arange(len(x)), best]
    if isinstance(law, LatentCompletion):
        return chosen.flatten(2)[..., mask.flatten()]
    return law.of_latents(chosen)


def most_probable(law: Law, starts: Tensor, effort: Effort) -> Tensor:
    """The best completion that Adam finds from the starts, ``(B starts, C, n) -> (B, C, n)``.

    For `PixelCompletion` it is that of the largest density over x, and otherwise that of the
    least energy.
    """
    images = len(law.start())
    rounds, left = [], len(starts) // images
    while left > 1:
        rounds.append(left)
        left = max(1, left // KEPT)
    rounds.append(1)
    u = starts
    for kept in rounds:
        cost = _costs(law, u).view(images, -1)
        best = cost.topk(kept, largest=False).indices  # (B, kept)
        u = u.unflatten(0, (images, -1))[torch.arange(images)[:, None], best].flatten(0, 1)
        u = _descended(law, u, max(1, effort.search // len(rounds)), effort.learning_rate)
    return u


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
            "are the most probable completions rather than samples; more trajectories of warm-up "
            "find a smaller step size",
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


@torch.no_grad()
def _costs(law: Law, u: Tensor) -> Tensor:
    return _cost(law, u)


def _cost(law: Law, u: Tensor) -> Tensor:
    """What a search makes small, ``(B,)``."""
    cost = -law.log_prob(u) if isinstance(law, PixelCompletion) else law.energy(u)
    return torch.where(cost.isfinite(), cost, torch.inf)


def _descended(law: Law, u: Tensor, steps: int, learning_rate: float) -> Tensor:
    """The best of the points that Adam passes."""
    u = u.clone().requires_grad_()
    optimizer = torch.optim.Adam([u], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    best, least = u.detach().clone(), u.new_full((len(u),), torch.inf)
    with torch.inference_mode(False), torch.enable_grad():
        for _ in progress(range(steps), "search"):
            cost = _cost(law, u)
            better = cost.detach() < least
            least = torch.where(better, cost.detach(), least)
            best = torch.where(better[:, None, None], u.detach(), best)
            (u.grad,) = torch.autograd.grad(cost.sum(), u)
            optimizer.step()
            schedule.step()
    return best
