"""The loss of a block variable, ``D_KL - beta I``, and its minimisation."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.block_variable.environment import neighbour_channel
from rgflow.realspace.model.block_geometry import PLAQUETTE
from rgflow.realspace.model.minimize import minimize
from rgflow.realspace.model.rbm import rbm_divergence, rbm_joint_log_prob, with_positive_sums
from rgflow.realspace.model.table_information import information_through

SPINS = 4
"""Number of spins of a plaquette."""


class Loss(NamedTuple):
    """``D_KL(P_loc || P_RBM)`` and ``I(s_env : t)``, both in nats and of shape ``()``."""

    divergence: Tensor
    information: Tensor

    def total(self, beta: float) -> Tensor:
        """The loss ``L = D_KL(P_loc || P_RBM) - beta I(s_env : t)``, ``()``, nats."""
        return self.divergence - beta * self.information


class Choice(NamedTuple):
    """The block variable that an RBM has chosen at a minimum of its loss.

    Attributes:
        weights: Weights on the four spins, then on the noise spins, ``(4 + noise, hidden)``.
        divergence: ``D_KL(P_loc || P_RBM)``, nats.
        information: ``I(s_env : t)``, nats.
        gradient_norm: Norm of the gradient of the loss.
    """

    weights: Tensor
    divergence: float
    information: float
    gradient_norm: float

    @property
    def share_of_spins(self) -> float:
        """Share of the four spins in the sum of squared weights: 0 if only the noise is seen."""
        squares = self.weights.square().sum(1)
        return (squares[:SPINS].sum() / squares.sum()).item()


def block_loss(J: float, weights: Tensor, log_noise: Tensor | None = None) -> Loss:
    r"""Both parts of the loss ``D_KL(P_loc || P_RBM) - beta I(s_env : t)`` of a plaquette.

    The block may contain noise spins beside its four spins, with the law ``P_loc(s) P_noise(n)``.
    Noise spins are coupled only to each other and are independent from block to block, so that
    they carry no information on the environment.

    Args:
        J: Coupling of the four spins, times inverse temperature.
        weights: Weights of the RBM, ``(4 + noise, hidden)``.
        log_noise: Logarithm of the law of the noise spins, ``(2**noise,)``; no noise if None.

    Raises:
        ValueError: If the shape of the weights is not ``(4 + noise, hidden)``.

    Reference: arXiv:1704.06279.
    """
    J = torch.as_tensor(J, dtype=torch.float64, device=weights.device)
    log_noise = J.new_zeros(1) if log_noise is None else log_noise
    noise = len(log_noise).bit_length() - 1
    if weights.dim() != 2 or len(weights) != SPINS + noise:
        raise ValueError(
            f"got weights of shape {tuple(weights.shape)}, expected ({SPINS + noise}, hidden)"
        )
    target = (PLAQUETTE.log_prob(J)[:, None] + log_noise).flatten()
    joint = rbm_joint_log_prob(weights)  # (2**(4 + noise), H)
    spins_and_hidden = joint.unflatten(0, (2**SPINS, -1)).logsumexp(1)
    information = information_through(spins_and_hidden, [neighbour_channel(J)] * SPINS)
    return Loss(rbm_divergence(target, weights), information)


def train_block(J: float, beta: float, start: Tensor, log_noise: Tensor | None = None) -> Choice:
    """Minimise ``D_KL - beta I`` over all weights of the RBM, down to a local minimum.

    Args:
        J: Coupling of the four spins, times inverse temperature.
        beta: Weight of the mutual information.
        start: Initial weights, ``(4 + noise, hidden)``, float64.
        log_noise: Logarithm of the law of the noise spins, ``(2**noise,)``; no noise if None.

    Raises:
        ValueError: If the shape of the start is not ``(4 + noise, hidden)`` or its type not
            float64.
    """
    best = minimize(lambda weights: block_loss(J, weights, log_noise).total(beta), start)
    parts = block_loss(J, best.argument, log_noise)
    return Choice(
        with_positive_sums(best.argument),
        parts.divergence.item(),
        parts.information.item(),
        best.gradient_norm,
    )
