"""What makes a good block variable: local likelihood can be deceived, the environment cannot."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.realspace.block_variable.block_loss import SPINS, Choice, Loss, block_loss, train_block
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
        The best RBM for each beta.
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
    """The beta above which an RBM of the spins alone has less loss than one that sees the decoy.

    The latter looks at the decoy alone, or, with a strong decoy and a large beta, at the spins a
    little as well. Weights are uniform on the spins and on the decoy.

    Args:
        J: Coupling of the spins.
        decoy_coupling: Coupling of the noise spins.
        highest: Where to look at most.

    Raises:
        ValueError: If the decoy is not better at beta = 0, or is still so at the highest.
    """
    from scipy.optimize import brentq

    def advantage_of_decoy(beta: float) -> float:
        spins = _loss(_uniform(J, beta), beta).item() + _order(decoy_coupling)
        return max(spins - _loss_with_decoy(J, decoy_coupling, beta), -1.0)

    if not advantage_of_decoy(0.0) > 0 > advantage_of_decoy(highest):
        raise ValueError(
            f"got couplings {J} of spins and {decoy_coupling} of decoys, expected a decoy that is "
            f"better at beta = 0 and worse at beta = {highest}"
        )
    return brentq(advantage_of_decoy, 0.0, highest, xtol=1e-5)


def _loss_with_decoy(J: float, decoy_coupling: float, beta: float) -> float:
    """Of the minimum next to the RBM that looks at the decoy alone, over two uniform weights.

    Infinity if there is none beside that of the spins, which is so at large beta.
    """
    log_noise = PLAQUETTE.log_prob(decoy_coupling)

    def loss(pair: Tensor) -> Tensor:
        weights = pair.repeat_interleave(SPINS)[:, None]
        return _loss(block_loss(J, weights, log_noise), beta)

    start = torch.tensor([0.05, coupling_weight(decoy_coupling)], dtype=torch.float64)
    best = minimize(loss, start)
    return best.value if best.argument[1].abs() > 0.01 else math.inf


def _loss(parts: Loss, beta: float) -> Tensor:
    return parts.divergence - beta * parts.information


def _uniform(J: float, beta: float) -> Loss:
    """Both parts of the loss of the best uniform weight on a plaquette."""
    return block_loss(J, torch.full((SPINS, 1), coupling_weight(J, beta), dtype=torch.float64))


def _order(J: float) -> float:
    """What the spins of a plaquette know of each other, nats: divergence from independent ones."""
    law = PLAQUETTE.log_prob(J)
    return kl_divergence(law, torch.full_like(law, -math.log(len(law)))).item()
