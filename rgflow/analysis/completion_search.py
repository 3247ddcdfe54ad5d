"""Searching the law of a completion for its most probable one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rgflow.analysis.completion import LatentCompletion, PixelCompletion
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress

Law = PixelCompletion | LatentCompletion

COOL = 0.5
"""Temperature at which further starts of a search are drawn."""
KEPT = 4
"""One in this many starts goes on after each round of a search."""


@takes_counts
@dataclass(frozen=True)
class Effort:
    """How long is searched and sampled.

    Attributes:
        starts: Starts of the search for the most probable completion of each image: the smoothest
            one, and others from redrawn latents. After each round the best quarter goes on.
            Sampling does not use them.
        search: Steps of Adam in all rounds together. Sampling takes a quarter of them in the
            latents and a tenth in the pixels before it begins.
        learning_rate: Of Adam, in the coordinates of the energy; it falls to zero in each round.
        draws: Redrawn completions of each image. The best is pulled to the known pixels, and HMC
            starts there.
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

    def scaled(self, factor: float) -> Effort:
        """With so many times the starts, steps, draws and trajectories, down to the fewest."""
        fewest = {"starts": 1, "search": 20, "draws": 2, "warmup": 15, "trajectories": 5}
        counts = {name: max(n, round(factor * getattr(self, name))) for name, n in fewest.items()}
        return replace(self, **counts)


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
