"""Mutual information of a Gaussian copula: normal scores, and the correlations between them.

For variables whose copula is Gaussian, whatever their marginal laws, ``I = -1/2 ln(1 - rho^2)``
with the correlation rho of their normal scores. For other variables it is no bound on either side
(the scores' correlation misses what depends on the sizes alone): the k-nearest-neighbour estimate
shows where.
"""

import torch
from torch import Tensor

from rgflow.statistics.information.blocks import bootstrap_weights, check_blocks, deranged
from rgflow.statistics.information.estimate import Estimate, baseline_of, two_dimensional
from rgflow.statistics.information.normal_scores import normal_scores


def gaussian_information(correlation: Tensor) -> Tensor:
    r"""Mutual information ``-1/2 ln(1 - rho^2)`` of two normal variables, in nats.

    Args:
        correlation: ``rho``, any shape, between -1 and 1.

    >>> gaussian_information(torch.tensor([0.0, 0.6]))
    tensor([0.0000, 0.2231])
    """
    return -0.5 * torch.log1p(-correlation.square())


def gaussian_block_information(coherence: Tensor) -> Tensor:
    r"""Mutual information ``-1/2 ln det(1 - M M^T)`` of two vectors of normal variables.

    ``M = S_aa^(-1/2) S_ab S_bb^(-T/2)`` is the covariance of the two whitened vectors, whose
    singular values are the canonical correlations. It equals
    ``1/2 ln (det S_aa det S_bb / det S)``.

    Args:
        coherence: M, ``(..., p, q)``.

    Returns:
        ``(...)``, nats.

    >>> gaussian_block_information(torch.diag(torch.tensor([0.6, 0.0])))
    tensor(0.2231)
    """
    p, q = coherence.shape[-2:]
    if (p, q) == (1, 1):
        return gaussian_information(coherence[..., 0, 0])
    identity = torch.eye(p, dtype=coherence.dtype, device=coherence.device)
    return -0.5 * torch.linalg.slogdet(identity - coherence @ coherence.mT).logabsdet


def copula_information(
    a: Tensor,
    b: Tensor,
    *,
    blocks: int,
    permutations: int = 16,
    resamples: int = 200,
    seed: int = 0,
) -> Estimate:
    """The mutual information of the Gaussian copula of two variables, with one or more components.

    Args:
        a: Samples ``(N,)`` or ``(N, p)``.
        b: Samples ``(N,)`` or ``(N, q)``.
        blocks: Number of blocks of consecutive samples, for the error and the baseline.
        permutations: Number of shuffles for the baseline.
        resamples: Number of bootstrap samples.
        seed: Seed of shuffles and bootstrap.

    Raises:
        ValueError: For samples of other shapes, or blocks that do not tile them.
    """
    check_blocks(len(a), blocks)
    generator = torch.Generator().manual_seed(seed)
    a, b = (normal_scores(two_dimensional(x)).double().cpu() for x in (a, b))
    shuffled = [
        _information(_moments(a, deranged(b, blocks, generator), 1), a.shape[1])
        for _ in range(permutations)
    ]
    moments = _moments(a, b, blocks)  # (blocks, p + q, p + q)
    weights = bootstrap_weights(blocks, resamples, generator) / blocks
    drawn = torch.einsum("rb,bij->rij", weights, moments)
    value = _information(moments.mean(0, keepdim=True), a.shape[1])
    error = _information(drawn, a.shape[1]).std()
    return baseline_of(value, error, torch.tensor(shuffled))


def _moments(a: Tensor, b: Tensor, blocks: int) -> Tensor:
    """Second moments of all components in each block, ``(blocks, p + q, p + q)``."""
    joint = torch.cat((a, b), 1).unflatten(0, (blocks, -1))
    return joint.mT @ joint / joint.shape[1]


def _information(moments: Tensor, p: int) -> Tensor:
    """``1/2 ln (det S_aa det S_bb / det S)`` of matrices ``(R, p + q, p + q)``, ``(R,)``."""
    log_det = [
        torch.linalg.slogdet(part).logabsdet
        for part in (moments[:, :p, :p], moments[:, p:, p:], moments)
    ]
    return 0.5 * (log_det[0] + log_det[1] - log_det[2])
