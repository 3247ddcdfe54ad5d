"""Restricted Boltzmann machines (RBMs) of one block, small enough to sum over all states."""

import math

import torch
from torch import Tensor, nn

MAX_SPINS = 20
"""Largest number of spins whose states are enumerated, about a million states."""


def spin_states(count: int, like: Tensor | None = None) -> Tensor:
    """All states of a number of Ising spins, ``(2**count, count)``.

    The first state has all spins up; the last spin changes fastest.

    Args:
        count: Number of spins, 0 to `MAX_SPINS`.
        like: Tensor whose device and dtype the states take; float64 on the CPU if None.

    Raises:
        ValueError: If there are too many spins to enumerate.

    >>> spin_states(2).int().tolist()
    [[1, 1], [1, -1], [-1, 1], [-1, -1]]
    """
    if not 0 <= count <= MAX_SPINS:
        raise ValueError(f"got {count} spins to enumerate, expected 0 to {MAX_SPINS}")
    device, dtype = (None, torch.float64) if like is None else (like.device, like.dtype)
    bits = torch.arange(2**count, device=device)[:, None] >> torch.arange(
        count - 1, -1, -1, device=device
    )
    return (1 - 2 * (bits & 1)).to(dtype)


def log_2cosh(x: Tensor) -> Tensor:
    """``ln(2 cosh x)`` without overflow: the sum of ``exp(t x)`` over a spin t."""
    return torch.logaddexp(x, -x)


def log_normalize(log_weights: Tensor) -> Tensor:
    """Normalize: subtract the logarithm of the sum of ``exp`` over all entries, of any shape."""
    return log_weights - log_weights.flatten().logsumexp(0)


def rbm_log_prob(weights: Tensor) -> Tensor:
    r"""Law of the spins, ``ln P(s) = sum_j ln 2cosh(sum_i s_i w_ij) - ln Z``.

    Args:
        weights: Weights between spins and hidden units, ``(spins, hidden)``.

    Returns:
        ``ln P``, ``(2**spins,)`` in the order of `spin_states`.

    Raises:
        ValueError: If the weights are not a matrix or have too many rows to enumerate.
    """
    _check_matrix(weights)
    states = spin_states(len(weights), weights)
    return log_normalize(log_2cosh(states @ weights).sum(1))


def rbm_joint_log_prob(weights: Tensor) -> Tensor:
    r"""Joint law of spins and hidden units, ``ln P(s, t) = sum_ij s_i w_ij t_j - ln Z``.

    Args:
        weights: Weights between spins and hidden units, ``(spins, hidden)``.

    Returns:
        ``ln P``, ``(2**spins, 2**hidden)`` in the order of `spin_states`.

    Raises:
        ValueError: If the weights are not a matrix or have too many rows or columns to enumerate.
    """
    _check_matrix(weights)
    spins, hidden = (spin_states(size, weights) for size in weights.shape)
    return log_normalize(spins @ weights @ hidden.T)


def kl_divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Kullback-Leibler divergence ``sum_s P(s) (ln P(s) - ln Q(s))``, ``()`` in nats."""
    return (log_p.exp() * (log_p - log_q)).sum()


def rbm_divergence(log_target: Tensor, weights: Tensor) -> Tensor:
    r"""``D_KL(P || P_RBM)`` with derivatives that keep relative precision at strong coupling.

    At strong coupling P and P_RBM agree on the most likely states to more digits than float64 has,
    and the best weights depend on the small probabilities of the other states. The divergence is
    therefore summed over pairs of states that differ by a flip of all spins, and is written in
    differences from the most likely pair.

    Args:
        log_target: ``ln P``, ``(2**spins,)``.
        weights: Weights of the RBM, ``(spins, hidden)``.

    Returns:
        The divergence in nats, ``()``; differentiable in both arguments.
    """
    half = len(log_target) // 2
    log_pair = torch.logaddexp(log_target[:half], log_target.flip(0)[:half])
    both = torch.cat([log_pair, log_pair.flip(0)]) - math.log(2)
    asymmetry = kl_divergence(log_target, both)  # an RBM without biases cannot learn it
    log_q = log_2cosh(spin_states(len(weights), weights)[:half] @ weights).sum(1)
    top = log_pair.argmax()
    others = torch.arange(half, device=log_q.device) != top
    log_q, log_p = (x[others] - x[top] for x in (log_q, log_pair))
    mean = (log_pair[others].exp() * (log_p - log_q)).sum()
    return asymmetry + mean + torch.log1p(log_q.exp().sum()) - torch.log1p(log_p.exp().sum())


class BlockRBM(nn.Module):
    r"""The RBM whose hidden units are the block variables of a block of spins.

    ``P(s) = sum_t exp(sum_ij s_i w_ij t_j) / Z``, with exact sums over all states. There are no
    biases, so that the law has the Ising symmetry under a flip of all spins.

    Args:
        spins: Number of spins of the block.
        hidden: Number of hidden units, the block variables.
        scale: Standard deviation of the initial weights, > 0; at zero the gradient would vanish.
        generator: Random numbers of the initial weights; torch's global generator if None.

    Raises:
        ValueError: If there are no spins or hidden units, or too many to enumerate, or if the
            scale is not positive and finite.

    Reference: RBMs as maps of the renormalization group: arXiv:1410.3831, arXiv:1704.06279.

    >>> rbm = BlockRBM(spins=4, hidden=1)
    >>> round(rbm.log_prob().exp().sum().item(), 12)
    1.0
    """

    def __init__(
        self,
        spins: int,
        hidden: int = 1,
        scale: float = 0.1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("spins", spins), ("hidden units", hidden)):
            if not 1 <= value <= MAX_SPINS:
                raise ValueError(f"got {value} {name}, expected 1 to {MAX_SPINS}")
        if not 0 < scale < math.inf:
            raise ValueError(f"got the scale {scale} of weights, expected a finite number > 0")
        start = torch.randn(spins, hidden, generator=generator, dtype=torch.float64)
        self.weights = nn.Parameter(scale * start)

    def log_prob(self) -> Tensor:
        """Logarithm of the law of the spins, ``(2**spins,)``; see `rbm_log_prob`."""
        return rbm_log_prob(self.weights)

    def joint_log_prob(self) -> Tensor:
        """Logarithm of the joint law of spins and hidden units, ``(2**spins, 2**hidden)``."""
        return rbm_joint_log_prob(self.weights)

    def forward(self, log_target: Tensor) -> Tensor:
        """Divergence ``D_KL(P || P_RBM)`` of a target law P in nats, ``(2**spins,) -> ()``.

        Raises:
            ValueError: If the target is the law of a different number of spins.
        """
        expected = (2 ** len(self.weights),)
        if tuple(log_target.shape) != expected:
            raise ValueError(
                f"got a target of shape {tuple(log_target.shape)}, expected {expected}"
            )
        return rbm_divergence(log_target, self.weights)


def with_positive_sums(weights: Tensor) -> Tensor:
    """Choose the signs of hidden units, which are arbitrary, so that their weights sum to >= 0.

    Args:
        weights: Weights of the RBM, ``(spins, hidden)``.
    """
    return torch.where(weights.sum(0) < 0, -weights, weights)


def _check_matrix(weights: Tensor) -> None:
    if weights.dim() != 2:
        raise ValueError(
            f"got weights of shape {tuple(weights.shape)}, expected (spins, hidden units)"
        )
