"""Gaussian informations of all pairs of up to thousands of latents, averaged over classes.

All correlations of normal scores are one matrix product for each block of samples. What is quoted
are means over classes of pairs, such as those of two levels at one distance, with bootstrap errors
over the blocks and less a baseline. Pairs that a symmetry makes equal, such as translations of one
another, form an orbit: their correlations are averaged before they become informations, which
takes away most of the noise and of the bias that goes with it.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for
from rgflow.statistics.information.blocks import (
    LEAST_BLOCKS,
    bootstrap_weights,
    check_blocks,
    derangement,
    partners,
)
from rgflow.statistics.information.gaussian_copula import gaussian_block_information
from rgflow.statistics.information.normal_scores import normal_scores

_MOST_NUMBERS = 2**27
"""Correlations of all blocks that are kept at a time, at most, where blocks may be chosen."""


class ClassMeans(NamedTuple):
    """Mean informations of classes of pairs, in nats.

    Attributes:
        information: Means less their baselines, ``(K,)``; not clipped at zero.
        error: Standard errors, ``(K,)``.
        baseline: Means for samples in which the pairing of latents is broken, ``(K,)``.
        baseline_error: Standard errors of the baselines, ``(K,)``, which the errors include.
        shuffled: Means for each shuffle of the pairing, ``(permutations, K)``.
        drawn: Means in each bootstrap sample, ``(resamples, K)``, from which errors and their
            correlations come.
        pairs: Number of pairs in each class, ``(K,)`` int64.
        samples: Number of samples.
        blocks: Number of blocks of samples that were drawn.
    """

    information: Tensor
    error: Tensor
    baseline: Tensor
    baseline_error: Tensor
    shuffled: Tensor
    drawn: Tensor
    pairs: Tensor
    samples: int
    blocks: int

    def combined(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Linear combinations of the informations, and their covariance.

        Args:
            weights: ``(m, K)``.

        Returns:
            ``(m,)`` and ``(m, m)``.
        """
        weights = weights.double()
        spread = torch.cov((self.drawn @ weights.T).T).view(len(weights), -1)
        if len(self.shuffled) > 1:
            # classes share the shuffles, and with them the noise of their baselines
            noise = torch.cov((self.shuffled @ weights.T).T).view(len(weights), -1)
            spread = spread + noise / len(self.shuffled)
        return weights @ self.information, spread


@torch.no_grad()
@takes_counts
def mean_pair_informations(
    x: Tensor,
    classes: Tensor,
    *,
    orbits: Tensor | None = None,
    blocks: int | None = None,
    permutations: int = 4,
    resamples: int = 100,
    seed: int = 0,
    scores: bool = False,
) -> ClassMeans:
    r"""Mean over classes of pairs of ``I = -1/2 ln det(1 - M M^T)`` between normal scores.

    Args:
        x: Samples of n latents, ``(N, n)``, or ``(N, n, d)`` for latents of d components each. The
            states of Markov chains come chain after chain.
        classes: The class of each pair, ``(n, n)`` int64, 0 to K - 1, and -1 for pairs that are
            left out. All pairs of an orbit must be of one class.
        orbits: The orbit of each pair, ``(n, n)`` int64 from 0 on, such that the pairs of an
            orbit have the same law by a symmetry; every pair alone if None. Pairs of a latent
            with itself form orbits of their own, whose latents share their ranks.
        blocks: Number of blocks of consecutive samples; if None up to 64, at least 16, fewer the
            more pairs there are. Samples at the end that do not fill the blocks are left out.
        permutations: Number of shuffles for the baseline.
        resamples: Number of bootstrap samples.
        seed: Seed of both.
        scores: Whether x are normal scores already.

    Raises:
        ValueError: If shapes do not fit, a class is empty, or there are too few samples.

    >>> x = torch.randn(2048, 3, generator=torch.Generator().manual_seed(0))
    >>> x[:, 1] = 0.6 * x[:, 0] + 0.8 * x[:, 1]
    >>> near = torch.tensor([[-1, 0, 1], [-1, -1, 1], [-1, -1, -1]])
    >>> means = mean_pair_informations(x, near)  # -ln 0.8 = 0.223 for the one correlated pair
    >>> means.pairs.tolist(), bool((means.information[0] - 0.223).abs() < 3 * means.error[0])
    ([1, 2], True)
    """
    check_field(x, "mean_pair_informations")
    nodes = _checked(x, classes, orbits)
    count = blocks or max(16, min(64, _MOST_NUMBERS // x[0].numel() ** 2))
    count = count if blocks else min(count, len(x) // 8)
    whole = len(x) // count * count
    check_blocks(whole, count)
    x = x.view(len(x), nodes, -1)[:whole]
    y = x if scores else _scores(x, orbits)
    y = y.unflatten(0, (count, -1)).flatten(2)  # (B, M, n d)
    pairs = _Pairs(classes, orbits, x.shape[-1])
    moments = torch.stack([pairs.orbit_means(part, part) for part in progress(y, "correlations")])
    diagonal = moments.mean(0)
    generator = generator_for("pairs of latents", seed)
    shuffled = []
    for _ in range(permutations):
        # in an orbit with (a, b) and (b, a), products in both orders are the same numbers
        order = (derangement if orbits is None else partners)(count, generator)
        broken = torch.stack([pairs.orbit_means(y[i], y[order[i]]) for i in range(count)]).mean(0)
        shuffled.append(pairs.class_means(broken, diagonal))
    weights = bootstrap_weights(count, resamples, generator) / count
    drawn = []
    for row in progress(weights, "bootstrap"):
        mean = torch.einsum("b,boij->oij", row.to(moments), moments)
        drawn.append(pairs.class_means(mean, mean))
    values, none = torch.stack(drawn), torch.zeros(pairs.classes).double()
    broken = torch.stack(shuffled or [none])
    baseline = broken.mean(0)
    noise = broken.std(0) / permutations**0.5 if permutations > 1 else none
    return ClassMeans(
        pairs.class_means(diagonal, diagonal) - baseline,
        torch.hypot(values.std(0), noise),
        baseline,
        noise,
        broken,
        values,
        pairs.pairs,
        whole,
        count,
    )


def _scores(x: Tensor, orbits: Tensor | None) -> Tensor:
    """Normal scores of latents ``(N, n, d)``, among all values of latents of one orbit.

    Scores of N values alone have correlations that are too small by about one part in N, which is
    more than the error of a mean over many translations.
    """
    if orbits is None:
        return normal_scores(x)
    y = x.new_empty(x.shape, dtype=torch.promote_types(x.dtype, torch.float32))
    alike = orbits.diagonal().to(x.device)
    for one in alike.unique():
        part = x[:, alike == one]  # (N, translations, d)
        y[:, alike == one] = normal_scores(part.flatten(0, 1)).view_as(part)
    return y


class _Pairs:
    """The bookkeeping from all pairs to orbits to classes."""

    def __init__(self, classes: Tensor, orbits: Tensor | None, components: int) -> None:
        nodes = len(classes)
        classes = classes.cpu()
        own = torch.arange(nodes * nodes).view(nodes, nodes)
        orbits = own if orbits is None else orbits.cpu()
        self.components = components
        self.every_pair_alone = orbits is own
        self.orbits = orbits.flatten()
        self.count = int(orbits.max()) + 1
        self.sizes = self.orbits.bincount(minlength=self.count)
        one = torch.zeros(self.count, dtype=torch.int64)
        one[self.orbits] = own.flatten()  # a pair of each orbit
        self.own = orbits[one // nodes, one // nodes], orbits[one % nodes, one % nodes]
        class_of_orbit = classes.flatten()[one]
        self.kept = (class_of_orbit >= 0).nonzero().flatten()
        self.class_of_orbit = class_of_orbit[self.kept]
        self.classes = int(classes.max()) + 1
        weight = self.sizes[self.kept]
        self.pairs = torch.zeros(self.classes, dtype=torch.int64).index_add(
            0, self.class_of_orbit, weight
        )
        self.weight = weight.double() / self.pairs[self.class_of_orbit]

    def orbit_means(self, a: Tensor, b: Tensor) -> Tensor:
        """Covariances of samples ``(M, n d)``, averaged over orbits, ``(O, d, d)``."""
        d = self.components
        matrix = a.T @ b / len(a)  # (n d, n d)
        matrix = matrix.unflatten(0, (-1, d)).unflatten(2, (-1, d)).transpose(1, 2)
        matrix = matrix.reshape(-1, d, d).cpu()
        if self.every_pair_alone:
            return matrix
        sums = matrix.new_zeros(self.count, d, d).index_add(0, self.orbits, matrix)
        return sums / self.sizes.view(-1, 1, 1)

    def class_means(self, covariance: Tensor, variance: Tensor) -> Tensor:
        """Means over classes of the informations, ``(K,)`` float64.

        Args:
            covariance: Of the pairs of each orbit, ``(O, d, d)``.
            variance: The same array for the pairs of a latent with itself, which stand in it.
        """
        first, second = (own[self.kept] for own in self.own)
        between = covariance[self.kept]
        if self.components == 1:
            own = variance.flatten().sqrt()
            coherence = between / (own[first] * own[second]).view(-1, 1, 1)
        else:
            used, place = torch.cat(self.own).unique(return_inverse=True)
            whitening = torch.linalg.inv(torch.linalg.cholesky(variance[used]))
            first, second = (p[self.kept] for p in place.chunk(2))
            coherence = whitening[first] @ between @ whitening[second].mT
        information = gaussian_block_information(coherence).double() * self.weight
        sums = torch.zeros(self.classes, dtype=torch.float64)
        return sums.index_add(0, self.class_of_orbit, information)


def _checked(x: Tensor, classes: Tensor, orbits: Tensor | None) -> int:
    """The number of latents; refuses what does not fit together."""
    if x.dim() not in (2, 3) or len(x) < 2 * LEAST_BLOCKS or not x[0].numel():
        raise ValueError(
            f"got latents of shape {tuple(x.shape)}, expected (N, n) or (N, n, components) with "
            f"at least {2 * LEAST_BLOCKS} samples"
        )
    nodes = x.shape[1]
    for name, one in (("classes", classes), ("orbits", orbits)):
        if one is not None and (one.shape != (nodes, nodes) or one.dtype != torch.int64):
            raise ValueError(
                f"{name}: got {tuple(one.shape)} of {one.dtype}, expected ({nodes}, {nodes}) of "
                "torch.int64"
            )
    counts = classes[classes >= 0].bincount()
    if not len(counts) or not counts.all():
        raise ValueError(
            f"classes: got classes of {counts.tolist()} pairs, expected at least one in each"
        )
    return nodes
