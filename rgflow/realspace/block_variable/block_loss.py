"""The loss of a block variable, KL divergence and mutual information, and its minimisation."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.block_variable.environment import neighbour_channel
from rgflow.realspace.model.block_geometry import PLAQUETTE
from rgflow.realspace.model.minimize import minimize
from rgflow.realspace.model.rbm import rbm_divergence, rbm_joint_log_prob
from rgflow.realspace.model.table_information import information_through

SPINS = 4


class Loss(NamedTuple):
    """``D_KL(P_loc || P_RBM)`` and ``I(s_env : t)``, both in nats and ``()``."""

    divergence: Tensor
    information: Tensor


class Choice(NamedTuple):
    """What an RBM has learned.

    Attributes:
        weights: On the four spins, then on the noise, ``(4 + noise, hidden)``.
        divergence: ``D_KL(P_loc || P_RBM)``, nats.
        information: ``I(s_env : t)``, nats.
        gradient_norm: Of the loss.
    """

    weights: Tensor
    divergence: float
    information: float
    gradient_norm: float

    @property
    def share_of_spins(self) -> float:
        """Part of the sum of squared weights that is on the four spins: 1 good, 0 deceived."""
        squares = self.weights.square().sum(1)
        return (squares[:SPINS].sum() / squares.sum()).item()


def block_loss(J: float, weights: Tensor, log_noise: Tensor | None = None) -> Loss:
    r"""Both parts of ``L = D_KL(P_loc || P_RBM) - beta I(s_env : t)`` for a plaquette with noise.

    The block's law is ``P_loc(s) P_noise(n)``: noise spins are coupled to each other only, hence
    know nothing about other blocks, whose noise is independent and can be left out.

    Args:
        J: Coupling of the four spins.
        weights: Of the RBM, ``(4 + noise, hidden)``.
        log_noise: Law of the noise spins, ``(2**noise,)``; no noise if None.

    Raises:
        ValueError: If the weights do not fit.
    """
    J = torch.as_tensor(J, dtype=torch.float64, device=weights.device)
    log_noise = J.new_zeros(1) if log_noise is None else log_noise
    noise = len(log_noise).bit_length() - 1
    if weights.dim() != 2 or len(weights) != SPINS + noise:
        raise ValueError(f"got weights {tuple(weights.shape)}, expected ({SPINS + noise}, hidden)")
    target = (PLAQUETTE.log_prob(J)[:, None] + log_noise).flatten()
    joint = rbm_joint_log_prob(weights)  # (2**(4 + noise), H)
    spins_and_hidden = joint.unflatten(0, (2**SPINS, -1)).logsumexp(1)
    information = information_through(spins_and_hidden, [neighbour_channel(J)] * SPINS)
    return Loss(rbm_divergence(target, weights), information)


def train_block(J: float, beta: float, start: Tensor, log_noise: Tensor | None = None) -> Choice:
    """Local minimum of ``D - beta I`` over all weights, from a given start.

    Args:
        J: Coupling of the four spins.
        beta: Weight of the mutual information.
        start: Weights to begin with, ``(4 + noise, hidden)``, float64.
        log_noise: Law of the noise spins; none if None.

    Raises:
        ValueError: If the start does not fit.
    """

    def loss(weights: Tensor) -> Tensor:
        divergence, information = block_loss(J, weights, log_noise)
        return divergence - beta * information

    best = minimize(loss, start)
    signs = torch.where(best.argument.sum(0) < 0, -1.0, 1.0)
    parts = block_loss(J, best.argument, log_noise)
    return Choice(
        best.argument * signs,
        parts.divergence.item(),
        parts.information.item(),
        best.gradient_norm,
    )
