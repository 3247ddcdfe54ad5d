"""Mutual information by exact sums over tables of probabilities, in nats."""

import torch
from torch import Tensor

from rgflow.realspace.model.rbm import spin_states


def mutual_information(log_joint: Tensor) -> Tensor:
    r"""Mutual information ``I(a : b) = sum_ab P(a, b) ln [P(a, b) / (P(a) P(b))]``.

    Args:
        log_joint: ``ln P(a, b)``, ``(..., A, B)``, normalized over A and B.

    Returns:
        ``(...)``, nats.
    """
    log_a = log_joint.logsumexp(-1, keepdim=True)
    log_b = log_joint.logsumexp(-2, keepdim=True)
    return (log_joint.exp() * (log_joint - log_a - log_b)).sum((-2, -1))


def pair_information(log_joint: Tensor) -> Tensor:
    r"""Mutual information of all pairs of spins given the hidden units, ``I(s_i : s_j | t)``.

    ``sum_t P(t) sum_ab P(s_i = a, s_j = b | t) ln [P(a, b | t) / (P(a | t) P(b | t))]``. The
    diagonal holds the conditional entropies of the single spins.

    Args:
        log_joint: ``ln P(s, t)``, ``(2**spins, H)``, with the spins in the order of
            `rbm.spin_states`; H = 1 gives the unconditional information.

    Returns:
        ``(spins, spins)``, nats.
    """
    spins = len(log_joint).bit_length() - 1
    is_up = (spin_states(spins, log_joint) + 1) / 2
    one_hot = torch.stack([is_up, 1 - is_up], -1)  # (states, spins, 2)
    pairs = torch.einsum("sia,sjb,st->tijab", one_hot, one_hot, log_joint.exp())
    hidden = pairs.sum((-2, -1), keepdim=True)
    singles = pairs.sum(-1, keepdim=True) * pairs.sum(-2, keepdim=True)
    # on the diagonal a spin is never both up and down: these entries are 0 ln 0 = 0
    ratio = torch.where(pairs > 0, pairs * hidden / singles, 1.0)
    return (pairs * ratio.log()).sum((0, -2, -1))


def total_correlation(log_joint: Tensor) -> Tensor:
    r"""Total correlation of the spins given the hidden units, ``sum_i S(s_i|t) - S(s|t)``.

    It vanishes if and only if the spins are independent given t. The mutual information of every
    pair can vanish although the spins are not independent.

    Args:
        log_joint: ``ln P(s, t)``, ``(2**spins, H)``, with the spins in the order of
            `rbm.spin_states`; H = 1 gives the unconditional total correlation.

    Returns:
        ``()``, nats.
    """
    given = log_joint - log_joint.logsumexp(0)  # ln P(s | t)
    one_by_one = pair_information(log_joint).diagonal().sum()
    return one_by_one + (log_joint.exp() * given).sum()


def information_through(log_joint: Tensor, channels: list[Tensor]) -> Tensor:
    r"""Mutual information ``I(e : t)`` of hidden units and an environment behind the spins.

    Each spin alone determines the law of its part of the environment, hence ``P(e, t) = sum_s
    P(s, t) prod_i P(e_i | s_i)``. The sum is exact and goes spin by spin.

    Args:
        log_joint: ``ln P(s, t)``, ``(2**spins, H)``, with the spins in the order of
            `rbm.spin_states`.
        channels: ``ln P(e_i | s_i)`` of each spin, ``(2, outcomes)``; the first row is for the
            spin up.

    Returns:
        ``()``, nats; differentiable.

    Raises:
        ValueError: If the number of channels is not the number of spins.

    Reference: arXiv:1704.06279.
    """
    if len(log_joint) != 2 ** len(channels):
        raise ValueError(
            f"got {len(channels)} channels for {len(log_joint)} states, expected one for each spin"
        )
    table = log_joint.T.unsqueeze(1)  # (H, outcomes so far, states of the remaining spins)
    for channel in channels:
        split = table.unflatten(-1, (2, 1, -1)) + channel[:, :, None]  # (H, _, 2, outcomes, rest)
        table = split.logsumexp(2).flatten(1, 2)
    return mutual_information(table.squeeze(-1).T)
