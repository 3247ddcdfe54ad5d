"""How independent the latents of held-out samples are, within a level and between levels.

The prior is factorized, so that a perfect flow leaves no information between latents. What it does
leave is measured for pairs of latents by their levels and their distance. Values and sizes are
looked at apart: two sparse latents may be uncorrelated and still be large at the same places.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for
from rgflow.statistics.information.all_pairs import ClassMeans, mean_pair_informations

Measure = Literal["values", "sizes", "linear_values", "linear_sizes"]

MEASURES: tuple[Measure, ...] = ("values", "sizes", "linear_values", "linear_sizes")
"""Copula of z and of ``|z|``, and what their plain correlations would tell if all was normal."""


class Independence(NamedTuple):
    """Mean mutual informations of classes of pairs of latents, in nats.

    Attributes:
        levels: Number of levels; 1 for a flow without a hierarchy, whose latents are one class.
        pairs: Levels of the two latents of each class, finer one first, ``(K, 2)``.
        distance: What stands for the distances of each class, ``(K,)``, in spacings of the coarser
            level: 0 for the same place, 1 for those below 1.5 (neighbours, also along a diagonal),
            2 for 1.5 to 3, 4 for 3 to 6, and so on.
        measures: For each of `MEASURES` the means of all classes.
        latents: Number of latents of each level that were looked at.
    """

    levels: int
    pairs: Tensor
    distance: Tensor
    measures: dict[Measure, ClassMeans]
    latents: tuple[int, ...]

    def matrix(self, measure: Measure, nearest: bool = False) -> tuple[Tensor, Tensor]:
        """Mean over all pairs of two levels, with its error, ``(levels, levels)`` each.

        Args:
            measure: One of `MEASURES`.
            nearest: Whether only pairs closer than 1.5 spacings of the coarser level count.
        """
        means = self.measures[measure]
        value = torch.full((self.levels, self.levels), torch.nan, dtype=torch.float64)
        error = value.clone()
        for fine in range(self.levels):
            for coarse in range(fine, self.levels):
                of = (self.pairs == torch.tensor([fine, coarse])).all(1)
                of = of & (self.distance <= 1) if nearest else of
                if of.any():
                    weights = torch.where(of, means.pairs, 0).double()
                    mean, variance = means.combined(weights[None] / weights.sum())
                    value[fine, coarse] = value[coarse, fine] = mean[0]
                    error[fine, coarse] = error[coarse, fine] = variance[0, 0].sqrt()
        return value, error

    def by_distance(self, measure: Measure, level: int) -> tuple[Tensor, Tensor, Tensor]:
        """Distances within a level in its spacings, informations and errors, ``(k,)`` each."""
        of = (self.pairs == level).all(1)
        means = self.measures[measure]
        return self.distance[of], means.information[of], means.error[of]

    def report(self) -> dict[str, Any]:
        """All numbers, for JSON."""
        first = self.measures["values"]
        return {
            "levels": self.levels,
            "latents": list(self.latents),
            "samples": first.samples,
            "blocks": first.blocks,
            "matrix": {
                name: dict(zip(("mean", "error"), _lists(self.matrix(name)), strict=True))
                for name in self.measures
            },
            "nearest": {
                name: dict(zip(("mean", "error"), _lists(self.matrix(name, True)), strict=True))
                for name in self.measures
            },
            "classes": [
                {
                    "levels": self.pairs[k].tolist(),
                    "distance": float(self.distance[k]),
                    "pairs": int(first.pairs[k]),
                }
                | {
                    name: {
                        "mean": float(means.information[k]),
                        "error": float(means.error[k]),
                        "baseline": float(means.baseline[k]),
                    }
                    for name, means in self.measures.items()
                }
                for k in range(len(self.distance))
            ],
        }


@torch.no_grad()
@takes_counts
def latent_independence(
    flow: Flow,
    z: Tensor,
    *,
    most_latents: int = 1024,
    blocks: int | None = None,
    permutations: int = 4,
    resamples: int = 50,
    seed: int = 0,
) -> Independence:
    r"""Residual mutual informations of latents by level and distance.

    ``I = -1/2 ln(1 - rho^2)`` with the correlation rho of normal scores of z, or of ``|z|``, is
    averaged over the pairs of a class, less the mean for shuffled samples. `linear_values` and
    `linear_sizes` take the correlation of z and ``|z|`` themselves, which single large latents
    may dominate.

    Args:
        flow: The flow, for the levels of its latents; without a hierarchy all are of one level.
        z: Latents of held-out samples ``(N, C, L, L)``; those of Markov chains chain after chain.
        most_latents: Latents that are looked at, at most: all of the coarse levels first, and an
            equal number of the finer ones, at random places with all their channels.
        blocks: Number of blocks of samples for errors, see `mean_pair_informations`.
        permutations: Number of shuffles for the baselines.
        resamples: Number of bootstrap samples.
        seed: Seed of the places, shuffles and bootstrap.

    Raises:
        ValueError: If the latents are not those of the flow, or there are too few samples.

    Reference: the factorized prior, arXiv:1903.00804.
    """
    check_field(z, "latent_independence")
    if z.shape[1:] != torch.Size(flow.event_shape):
        raise ValueError(
            f"latents: got shape {tuple(z.shape)}, expected (N, *{tuple(flow.event_shape)})"
        )
    channels, side, _ = flow.event_shape
    level_of_site = torch.zeros(side, side, dtype=torch.int64)
    if flow.hierarchy is not None:
        level_of_site = flow.hierarchy.level_of_site.cpu()
    sites = _chosen_sites(level_of_site.flatten(), most_latents // channels, seed)
    x = z.cpu().flatten(2)[:, :, sites].transpose(1, 2).flatten(1)  # (N, sites C)
    level = level_of_site.flatten()[sites].repeat_interleave(channels)
    place = torch.stack((sites // side, sites % side), 1).repeat_interleave(channels, 0)
    keys, classes = _classes(level, place, side)
    settings = {"blocks": blocks, "permutations": permutations, "resamples": resamples}
    measures: dict[Measure, ClassMeans] = {}
    for name in progress(MEASURES, "kinds of dependence"):
        y = x.abs() if name.endswith("sizes") else x
        linear = name.startswith("linear")
        y = _standardized(y) if linear else y
        measures[name] = mean_pair_informations(y, classes, seed=seed, scores=linear, **settings)
    counts = level.bincount(minlength=int(level_of_site.max()) + 1)
    return Independence(
        len(counts), keys[:, :2], keys[:, 2].double(), measures, tuple(counts.tolist())
    )


def _chosen_sites(level: Tensor, most: int, seed: int) -> Tensor:
    """Sites ``(n,)`` of the latent layout: as many of each level, or all where they are few."""
    counts = level.bincount().tolist()
    generator = generator_for("sites", seed)
    left, chosen = max(2, most), []
    # the level with the fewest latents first, so that what it lacks goes to the others
    order = sorted(range(len(counts)), key=lambda h: counts[h])
    for done, h in enumerate(order):
        share = max(1, left // (len(order) - done))
        at = (level == h).nonzero().flatten()
        picked = at[torch.randperm(len(at), generator=generator)[:share]]
        left -= len(picked)
        chosen.append(picked)
    return torch.cat(chosen).sort().values


def _classes(level: Tensor, place: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Levels and distance of each class, ``(K, 3)``, and the class of each pair."""
    apart = (place[:, None] - place[None]).abs()
    apart = torch.minimum(apart, side - apart).double().square().sum(-1).sqrt()
    low = torch.minimum(level[:, None], level[None])
    high = torch.maximum(level[:, None], level[None])
    spacing = apart / 2.0**high
    # 0, then up to 1.5, 3, 6, ... spacings
    octave = (spacing.clamp_min(1.0) / 1.5).log2().floor().add(1).clamp_min(0)
    distance = torch.where(spacing == 0, 0.0, 2.0**octave).long()
    upper = torch.triu(torch.ones_like(low, dtype=torch.bool), 1)
    keys = torch.stack((low[upper], high[upper], distance[upper]), 1)
    keys, index = keys.unique(dim=0, return_inverse=True)
    classes = torch.full_like(low, -1)
    classes[upper] = index
    return keys, classes


def _standardized(x: Tensor) -> Tensor:
    x = x.double() - x.double().mean(0)
    return (x / x.square().mean(0).sqrt().clamp_min(1e-300)).float()


def _lists(tensors: tuple[Tensor, ...]) -> list[list[list[float]]]:
    return [tensor.tolist() for tensor in tensors]
