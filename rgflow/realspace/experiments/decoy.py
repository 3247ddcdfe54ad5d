"""Noise spins deceive the local likelihood, but not the information with the environment."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.realspace.block_variable.block_loss import SPINS, Choice, block_loss, train_block
from rgflow.realspace.coupling_map.coupling_flow import coupling_weight
from rgflow.realspace.model.block_geometry import PLAQUETTE
from rgflow.realspace.model.minimize import minimize
from rgflow.realspace.model.rbm import kl_divergence


def decoy_experiment(
    J: float,
    decoy_coupling: float,
    betas: Sequence[float],
    generator: torch.Generator,
    random_starts: int = 4,
) -> list[Choice]:
    r"""The block variable that one hidden unit learns beside a decoy, for several beta.

    The decoy is a second plaquette of four noise spins, which are independent from block to block
    and coupled more strongly than the spins. The divergence alone prefers the unit that describes
    the decoy. Training starts from weights on the spins, from weights on the decoy and from random
    weights, and the smallest loss counts.

    Args:
        J: Coupling of the spins, times inverse temperature.
        decoy_coupling: Coupling of the noise spins.
        betas: Weights of the mutual information with the environment.
        generator: Random numbers of the random starts.
        random_starts: Number of random starts.

    Returns:
        The best RBM for each beta.

    Reference: arXiv:1704.06279.
    """
    log_noise = PLAQUETTE.log_prob(decoy_coupling)
    random = torch.randn(random_starts, 2 * SPINS, 1, generator=generator, dtype=torch.float64)
    on_spins = torch.tensor([1.0] * SPINS + [0.01] * SPINS, dtype=torch.float64)[:, None]
    starts = [on_spins, on_spins.flip(0), *(0.5 * random)]

    def best(beta: float) -> Choice:
        ends = [train_block(J, beta, start, log_noise) for start in starts]
        return min(ends, key=lambda end: end.divergence - beta * end.information)

    return [best(beta) for beta in betas]


def switching_beta(J: float, decoy_coupling: float, highest: float = 50.0) -> float:
    """The beta above which an RBM on the spins alone has a smaller loss than one on the decoy.

    The RBM on the decoy has weights on the decoy alone or, for a strong decoy and a large beta,
    small weights on the spins as well. Weights are uniform on the spins and uniform on the decoy.

    Args:
        J: Coupling of the spins, times inverse temperature.
        decoy_coupling: Coupling of the noise spins.
        highest: Upper end of the search for beta.

    Raises:
        ValueError: If the decoy does not have the smaller loss at beta = 0, or still has it at the
            highest beta.
    """
    from scipy.optimize import brentq

    def advantage_of_decoy(beta: float) -> float:
        on_spins = _uniform_loss(J, beta) + _divergence_from_independence(decoy_coupling)
        return max(on_spins - _loss_on_decoy(J, decoy_coupling, beta), -1.0)

    if not advantage_of_decoy(0.0) > 0 > advantage_of_decoy(highest):
        raise ValueError(
            f"got the coupling {J} of the spins and {decoy_coupling} of the decoy, expected a "
            f"decoy that is better at beta = 0 and worse at beta = {highest}"
        )
    return brentq(advantage_of_decoy, 0.0, highest, xtol=1e-5)


def _loss_on_decoy(J: float, decoy_coupling: float, beta: float) -> float:
    """Loss at the minimum next to the RBM on the decoy alone, over two uniform weights, nats.

    Infinity if the search ends at the RBM on the spins: at large beta there is no other minimum.
    """
    log_noise = PLAQUETTE.log_prob(decoy_coupling)

    def loss(pair: Tensor) -> Tensor:
        weights = pair.repeat_interleave(SPINS)[:, None]
        return block_loss(J, weights, log_noise).total(beta)

    start = torch.tensor([0.05, coupling_weight(decoy_coupling)], dtype=torch.float64)
    best = minimize(loss, start)
    return best.value if best.argument[1].abs() > 0.01 else math.inf


def _uniform_loss(J: float, beta: float) -> float:
    """Loss of the best uniform weight on a plaquette without noise, nats."""
    weights = torch.full((SPINS, 1), coupling_weight(J, beta), dtype=torch.float64)
    return block_loss(J, weights).total(beta).item()


def _divergence_from_independence(J: float) -> float:
    """KL divergence between the law of a plaquette and independent spins, nats."""
    law = PLAQUETTE.log_prob(J)
    return kl_divergence(law, torch.full_like(law, -math.log(len(law)))).item()
