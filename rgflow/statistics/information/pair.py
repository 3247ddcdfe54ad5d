"""One function for the mutual information of two variables, by any of the estimators."""

from typing import Any, Literal

from torch import Tensor

from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field
from rgflow.statistics.information.blocks import most_blocks
from rgflow.statistics.information.estimate import Estimate
from rgflow.statistics.information.gaussian_copula import copula_information
from rgflow.statistics.information.nearest_neighbours import neighbour_information
from rgflow.statistics.information.neural_bound import neural_information

Estimator = Literal["gaussian_copula", "nearest_neighbours", "neural_bound"]

ESTIMATORS = {
    "gaussian_copula": copula_information,
    "nearest_neighbours": neighbour_information,
    "neural_bound": neural_information,
}


@takes_counts
def latent_mutual_information(
    a: Tensor,
    b: Tensor,
    estimator: Estimator = "gaussian_copula",
    *,
    blocks: int | None = None,
    seed: int = 0,
    **settings: Any,
) -> Estimate:
    r"""Mutual information ``I(a : b) = E ln P(a, b) / (P(a) P(b))`` of two latents, from samples.

    ========================  ====================================================================
    ``gaussian_copula``       exact where the copula is Gaussian; noise about ``sqrt(2 I / N)``
    ``nearest_neighbours``    any law; noise at least ``sqrt(psi'(k) / N)``
    ``neural_bound``          any law; a lower bound, which takes seconds
    ========================  ====================================================================

    Samples come in order: those of one Markov chain one after another. They are cut into blocks
    of equal size, which should be whole chains or many autocorrelation times long. The error is
    that of independent blocks, and the baseline pairs different blocks. It is subtracted, and the
    result is not clipped: without information it scatters about zero.

    Args:
        a: Samples ``(N,)``, or ``(N, p)`` of a latent with p components.
        b: Samples of the same N, ``(N,)`` or ``(N, q)``.
        estimator: Name of the estimator.
        blocks: Number of blocks; 64, or fewer for fewer than 128 samples, if None. Samples at the
            end that do not fill the blocks, fewer than there are blocks, are left out.
        seed: Seed of shuffles, bootstrap and critics.
        settings: Further settings of the estimator: ``permutations``, ``k``, ``steps``, ...

    Returns:
        Value, error and the baseline that was subtracted, in nats.

    Raises:
        ValueError: For an unknown estimator, samples of other shapes, too few of them, or values
            that are not finite.

    Reference: cond-mat/0305641 (nearest neighbours), arXiv:1801.04062 (neural bound).

    >>> import torch
    >>> a, noise = torch.randn(2, 20000, generator=torch.Generator().manual_seed(0))
    >>> value, error, baseline = latent_mutual_information(a, (0.6 * a + 0.8 * noise).exp())
    >>> abs(value - 0.2231) < 3 * error < 0.03
    True
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator: got {estimator!r}, expected one of {', '.join(ESTIMATORS)}")
    for x in (a, b):
        check_field(x, "latent_mutual_information")
    if len(a) != len(b):
        raise ValueError(f"got {len(a)} samples of a and {len(b)} of b, expected as many")
    count = most_blocks(len(a), 64) // 2 * 2 if blocks is None else blocks
    whole = len(a) // max(1, count) * count
    return ESTIMATORS[estimator](a[:whole], b[:whole], blocks=count, seed=seed, **settings)
