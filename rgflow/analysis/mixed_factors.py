"""Which factors of two mixed images come from which, at every cut-off level."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.bootstrap import Estimated, bootstrap
from rgflow.analysis.factors import Factor, Measure
from rgflow.analysis.mixing import mixing_strip
from rgflow.analysis.redrawing import decode_images
from rgflow.flow import Flow
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress


class MixedFactors(NamedTuple):
    """The factors f of mixtures m of pairs of images A and B, for each cut-off and factor.

    With the mean squared distances ``D(a, b) = E |f(a) - f(b)|^2``:

    Attributes:
        cuts: The cut-off levels h, 0 to their number: latents of A at levels >= h, of B below.
        factors: Names of the F factors.
        share_of_a: ``(cuts, F)``, ``1/2 + (D(m, B) - D(m, A)) / (2 D(A, B))``, the mean of f(m)
            along the way from B to A: 1 is A's factor, 0 is B's.
        distance_to_a: ``(cuts, F)``, ``D(m, A) / D(A, B)``: 1 if f(m) has nothing to do with A.
        distance_to_b: ``(cuts, F)``, ``D(m, B) / D(A, B)``. Half-way between A and B both are
            1/4; for a factor that is independent of both images, both are 1.
        pairs: Number of pairs.
    """

    cuts: tuple[int, ...]
    factors: tuple[str, ...]
    share_of_a: Estimated
    distance_to_a: Estimated
    distance_to_b: Estimated
    pairs: int


class MixedPairs(NamedTuple):
    """Mixtures at all cut-offs, uint8 ``(cuts, N, C, L, L)``, and their factors."""

    images: Tensor
    factors: MixedFactors


@torch.no_grad()
@takes_counts
def mix_pairs(
    flow: Flow, z_a: Tensor, z_b: Tensor, measure: Measure, *, seed: int = 0, batch_size: int = 256
) -> MixedPairs:
    """Mixes pairs of images at every cut-off level and measures the factors of the results.

    Args:
        flow: A hierarchical flow of images.
        z_a: Latents ``(N, C, L, L)`` of the images A.
        z_b: Latents of the images B.
        measure: Measures the factors of images.
        seed: Seed of the bootstrap over pairs, which gives the errors.
        batch_size: Images that go through the flow at a time.

    Raises:
        ValueError: As `mix` does, and for fewer than two pairs.

    Reference: RG-Flow, arXiv:2010.00029, section 4.3, has pictures of such mixtures.
    """
    strip = mixing_strip(flow, z_a, z_b)  # (cuts, N, C, L, L)
    images = torch.stack([decode_images(flow, z, batch_size) for z in progress(strip, "cuts")])
    measured = [measure(part) for part in images]
    names = list(measured[0])
    distances = [
        [_distances(mixed[n], measured[0][n], measured[-1][n]) for n in names]
        for mixed in measured
    ]  # for each cut and factor (3, N)
    sums = torch.stack([torch.stack(row) for row in distances]).double()  # (cuts, F, 3, N)

    def numbers(weights: Tensor) -> tuple[Tensor, ...]:  # (draws, N)
        to_a, to_b, whole = torch.einsum("hfkn,bn->kbhf", sums, weights)
        return 0.5 + (to_b - to_a) / (2 * whole), to_a / whole, to_b / whole

    estimates = bootstrap(numbers, len(z_a), seed)
    factors = MixedFactors(tuple(range(len(strip))), tuple(names), *estimates, pairs=len(z_a))
    return MixedPairs(images, factors)


def _distances(mixed: Factor, a: Factor, b: Factor) -> Tensor:
    """Sums of ``|m - a|^2, |m - b|^2, |a - b|^2`` over the places where all are known, (3, N)."""
    weights = mixed.weights * a.weights * b.weights
    pairs = ((mixed, a), (mixed, b), (a, b))
    return torch.stack(
        [((x.values - y.values).square().sum(-1) * weights).sum(1) for x, y in pairs]
    )
