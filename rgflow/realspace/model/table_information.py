"""Mutual informations of tables of probabilities, in nats."""

import torch
from torch import Tensor

from rgflow.realspace.model.rbm import spin_states


def mutual_information(log_joint: Tensor) -> Tensor:
    r"""``I(a : b) = sum_ab P(a, b) ln [P(a, b) / (P(a) P(b))]``, ``(..., A, B) -> (...)``.

    Args:
        log_joint: Logarithm of the joint probabilities, which sum to one over A and B.
    """
    log_a = log_joint.logsumexp(-1, keepdim=True)
    log_b = log_joint.logsumexp(-2, keepdim=True)
    return (log_joint.exp() * (log_joint - log_a - log_b)).sum((-2, -1))


def pair_information(log_joint: Tensor) -> Tensor:
    r"""``I(s_i : s_j | t)`` for all pairs of spins, given the hidden units.

    ``sum_t P(t) sum_ab P(s_i = a, s_j = b | t) ln [P(a, b | t) / (P(a | t) P(b | t))]``; on the
    diagonal stands the conditional entropy of a spin.

    Args:
        log_joint: Law of spins and hidden units, ``(2**spins, H)``, in the order of
            `rbm.spin_states`; with H = 1 nothing is given.

    Returns:
        ``(spins, spins)``, nats.
    """
    spins = len(log_joint).bit_length() - 1
    is_up = (spin_states(spins, log_joint) + 1) / 2
    one_hot = torch.stack([is_up, 1 - is_up], -1)  # (states, spins, 2)
    pairs = torch.einsum("sia,sjb,st->tijab", one_hot, one_hot, log_joint.exp())
    hidden = pairs.sum((-2, -1), keepdim=True)
    singles = pairs.sum(-1, keepdim=True) * pairs.sum(-2, keepdim=True)
    # a spin is never both up and down: these entries are 0 ln 0
    ratio = torch.where(pairs > 0, pairs * hidden / singles, 1.0)
    return (pairs * ratio.log()).sum((0, -2, -1))


def total_correlation(log_joint: Tensor) -> Tensor:
    r"""All that the spins know of each other given the hidden units, ``sum_i S(s_i|t) - S(s|t)``.

    It is zero if and only if the spins are independent given t, while informations of pairs can
    be zero without that.

    Args:
        log_joint: Law of spins and hidden units, ``(2**spins, H)``, in the order of
            `rbm.spin_states`; with H = 1 nothing is given.

    Returns:
        ``()``, nats.
    """
    given = log_joint - log_joint.logsumexp(0)  # ln P(s | t)
    one_by_one = pair_information(log_joint).diagonal().sum()
    return one_by_one + (log_joint.exp() * given).sum()


def information_through(log_joint: Tensor, channels: list[Tensor]) -> Tensor:
    r"""``I(e : t)`` between hidden units and what each spin alone has told to its environment.

    ``P(e, t) = sum_s P(s, t) prod_i P(e_i | s_i)``: the mutual information of the lecture's step
    5, by exact enumeration.

    Args:
        log_joint: Law of spins and hidden units, ``(2**spins, H)``, in the order of
            `rbm.spin_states`.
        channels: For each spin ``ln P(e_i | s_i)``, ``(2, outcomes)``, first the spin up.

    Returns:
        ``()``, nats; differentiable.

    Raises:
        ValueError: If there is not one channel for each spin.
    """
    if len(log_joint) != 2 ** len(channels):
        raise ValueError(
            f"got {len(channels)} channels for {len(log_joint)} states, expected one for each spin"
        )
    table = log_joint.T.unsqueeze(1)  # (H, outcomes so far, states of the spins that are left)
    for channel in channels:
        split = table.unflatten(-1, (2, 1, -1)) + channel[:, :, None]  # (H, _, 2, outcomes, rest)
        table = split.logsumexp(2).flatten(1, 2)
    return mutual_information(table.squeeze(-1).T)
