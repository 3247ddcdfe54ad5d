r"""Copies of one spin: where the mutual information breaks the symmetry of the block.

The loss ``D_KL(P_loc || P_RBM) - beta I(s_env : t)`` has a second kind of minimum: a hidden unit
that copies one of the four spins, with an infinite weight on it and small weights on the other
three. Compared with uniform weights the copy has more information on the environment of its spin
and a larger divergence.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from rgflow.realspace.block_variable.block_loss import SPINS, block_loss
from rgflow.realspace.coupling_map.coupling_flow import beta_of_fixed_point, coupling_weight
from rgflow.realspace.model.minimize import minimize

COPY_WEIGHT = 20.0
"""Weight that stands for infinity: the copy differs from its spin with probability exp(-40)."""


def copy_advantage(J: float, beta: float) -> float:
    """Loss of the best uniform weight minus the loss of the best copy of one spin, nats.

    Args:
        J: Coupling times inverse temperature, > 0.
        beta: Weight of the mutual information with the environment, >= 0.
    """
    copied = torch.full((1, 1), COPY_WEIGHT, dtype=torch.float64)

    def loss(weights: Tensor) -> Tensor:
        return block_loss(J, weights).total(beta)

    others = torch.full((SPINS - 1, 1), 0.5 * math.sqrt(J), dtype=torch.float64)
    copy = minimize(lambda w: loss(torch.cat([w, copied])), others)
    uniform = torch.full((SPINS, 1), coupling_weight(J, beta), dtype=torch.float64)
    return loss(uniform).item() - copy.value


def uniform_limit(J: float, highest: float = 6.0) -> float:
    """The smallest beta above which a copy of one spin has a smaller loss than uniform weights.

    At much larger beta uniform weights have the smaller loss again. For couplings above about
    0.24, which include the critical one, they have it at every beta.

    Args:
        J: Coupling times inverse temperature, > 0.
        highest: Upper end of the search for beta.

    Returns:
        Beta, or infinity if uniform weights have the smaller loss up to the highest beta.
    """
    from scipy.optimize import brentq

    steps = [highest * k / 24 for k in range(25)]
    for low, high in pairwise(steps):
        if copy_advantage(J, high) > 0:
            return brentq(lambda beta: copy_advantage(J, beta), low, high, xtol=1e-9)
    return math.inf


def flow_limit() -> float:
    """The beta above which a copy of one spin has the smaller loss at ``J*(beta)``."""
    from scipy.optimize import brentq

    def advantage(J: float) -> float:
        return copy_advantage(J, beta_of_fixed_point(J))

    return beta_of_fixed_point(brentq(advantage, 0.17, 0.2, xtol=1e-9))
