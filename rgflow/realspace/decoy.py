"""What makes a good block variable: local likelihood can be deceived, the environment cannot."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.block_geometry import PLAQUETTE
from rgflow.realspace.environment import neighbour_channel
from rgflow.realspace.minimize import minimize
from rgflow.realspace.rbm import kl_divergence, rbm_joint_log_prob
from rgflow.realspace.table_information import information_through

SPINS = 4


class Loss(NamedTuple):
    """``D_KL(P_loc || P_RBM)`` and ``I(s_env : t)``, both in nats and ``()``."""

    divergence: Tensor
    information: Tensor


class Choice(NamedTuple):
    """What a machine has learned.

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
        weights: Of the machine, ``(4 + noise, hidden)``.
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
    return Loss(kl_divergence(target, joint.logsumexp(1)), information)


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


def decoy_experiment(
    J: float,
    decoy_coupling: float,
    betas: Sequence[float],
    generator: torch.Generator,
    random_starts: int = 4,
) -> list[Choice]:
    r"""What one hidden unit learns on a plaquette beside a decoy, for several beta.

    The decoy is a second plaquette of four noise spins, independent for every block and coupled
    more strongly. The divergence alone is smaller for the unit that explains the decoy.

    Args:
        J: Coupling of the spins.
        decoy_coupling: Coupling of the noise spins.
        betas: Weights of the mutual information.
        generator: Of random starts.
        random_starts: Starts beside one on the spins and one on the decoy; the best end counts.

    Returns:
        The best machine for each beta.
    """
    log_noise = PLAQUETTE.log_prob(decoy_coupling)
    random = torch.randn(random_starts, 2 * SPINS, 1, generator=generator, dtype=torch.float64)
    on_spins = torch.tensor([1.0] * SPINS + [0.01] * SPINS, dtype=torch.float64)[:, None]
    starts = [on_spins, on_spins.flip(0), *(0.5 * random)]

    def best(beta: float) -> Choice:
        ends = [train_block(J, beta, start, log_noise) for start in starts]
        return min(ends, key=lambda end: end.divergence - beta * end.information)

    return [best(beta) for beta in betas]


def switching_beta(J: float, decoy_coupling: float, highest: float = 10.0) -> float:
    """The beta above which a machine of the spins alone has less loss than one of the decoy.

    Each misses all that the spins of the other plaquette know of each other.

    Args:
        J: Coupling of the spins.
        decoy_coupling: Coupling of the noise spins.
        highest: Where to look at most.

    Raises:
        ValueError: If the decoy is not better at beta = 0, or is still so at the highest.
    """
    from scipy.optimize import brentq

    start = torch.full((SPINS, 1), 0.5, dtype=torch.float64)
    decoy = train_block(decoy_coupling, 0.0, start).divergence + _order(J)

    def advantage_of_decoy(beta: float) -> float:
        spins = train_block(J, beta, start)
        return spins.divergence - beta * spins.information + _order(decoy_coupling) - decoy

    if not advantage_of_decoy(0.0) > 0 > advantage_of_decoy(highest):
        raise ValueError(
            f"got couplings {J} of spins and {decoy_coupling} of decoys, expected a decoy that is "
            f"better at beta = 0 and worse at beta = {highest}"
        )
    return brentq(advantage_of_decoy, 0.0, highest, xtol=1e-6)


def _order(J: float) -> float:
    """What the spins of a plaquette know of each other, nats: divergence from independent ones."""
    law = PLAQUETTE.log_prob(J)
    return kl_divergence(law, torch.full_like(law, -math.log(len(law)))).item()
