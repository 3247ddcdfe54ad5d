r"""Where the mutual information breaks the symmetry of the block: a copy of one spin wins.

``L = D_KL(P_loc || P_RBM) - beta I(s_env : t)`` has a second kind of minimum: a hidden unit that
copies one of the four spins, with its weight at infinity and small ones on the other three. It
knows more about the environment of that spin and has a larger divergence than uniform weights.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from rgflow.realspace.block_variable.block_loss import SPINS, block_loss
from rgflow.realspace.coupling_map.coupling_flow import beta_of_fixed_point, coupling_weight
from rgflow.realspace.model.minimize import minimize

COPY_WEIGHT = 20.0
"""Weight that stands for infinity: a spin and its copy differ with probability exp(-40)."""


def copy_advantage(J: float, beta: float) -> float:
    """Loss of the best uniform weight less that of the best copy of one spin, nats.

    Args:
        J: Coupling > 0.
        beta: Weight of the mutual information, >= 0.
    """
    copied = torch.full((1, 1), COPY_WEIGHT, dtype=torch.float64)

    def loss(weights: Tensor) -> Tensor:
        divergence, information = block_loss(J, weights)
        return divergence - beta * information

    others = torch.full((SPINS - 1, 1), 0.5 * math.sqrt(J), dtype=torch.float64)
    copy = minimize(lambda w: loss(torch.cat([w, copied])), others)
    uniform = torch.full((SPINS, 1), coupling_weight(J, beta), dtype=torch.float64)
    return loss(uniform).item() - copy.value


def uniform_limit(J: float, highest: float = 6.0) -> float:
    """The smallest beta from which on a copy of one spin has a smaller loss than uniform weights.

    At much larger beta uniform weights win again. From J = 0.24 or so on, which includes the
    critical coupling, they always do.

    Args:
        J: Coupling > 0.
        highest: Where to look at most.

    Returns:
        Beta, or infinity if uniform weights are better up to the highest.
    """
    from scipy.optimize import brentq

    steps = [highest * k / 24 for k in range(25)]
    for low, high in pairwise(steps):
        if copy_advantage(J, high) > 0:
            return brentq(lambda beta: copy_advantage(J, beta), low, high, xtol=1e-9)
    return math.inf


def flow_limit() -> float:
    """The beta from which on that is so at the fixed point ``J*(beta)`` of uniform weights."""
    from scipy.optimize import brentq

    def advantage(J: float) -> float:
        return copy_advantage(J, beta_of_fixed_point(J))

    return beta_of_fixed_point(brentq(advantage, 0.17, 0.2, xtol=1e-9))
