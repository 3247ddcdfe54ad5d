"""Mutual information between a block variable and the plaquettes around its block."""

import torch
from torch import Tensor

from rgflow.realspace.model.rbm import log_2cosh, rbm_joint_log_prob
from rgflow.realspace.model.table_information import information_through


def neighbour_channel(J: float | Tensor) -> Tensor:
    r"""``ln P(m | s)``: how a neighbouring plaquette depends on the spin s that it shares.

    The other three spins a, b, c of the neighbour have ``P(a, b, c | s) ~ exp(J (s + c)(a + b))``.
    They depend on s through ``m = (a + b) / 2`` alone, so that m carries all their information on
    s, with ``P(m | s) ~ (1, 2, 1) exp(2 J s m) cosh(2 J m)`` for m = 1, 0, -1.

    Args:
        J: Coupling times inverse temperature, a number or a tensor of shape ``()``.

    Returns:
        ``(2, 3)``, with the shared spin up in the first row; differentiable in J.
    """
    J = torch.as_tensor(J, dtype=torch.float64)
    spin, m = J.new_tensor([[1], [-1]]), J.new_tensor([1, 0, -1])
    degeneracy = J.new_tensor([1, 2, 1])
    return torch.log_softmax(degeneracy.log() + 2 * J * spin * m + log_2cosh(2 * J * m), 1)


def environment_mutual_information(J: float | Tensor, w: float | Tensor) -> Tensor:
    r"""Mutual information ``I(s_env : t)`` between a block variable and the 12 spins around it.

    The block and the four plaquettes that share its corners have 16 spins and the law ``P(s, t) ~
    P_RBM(s_block, t) prod_k P_loc(s_k)``. The sum over all states is exact.

    Args:
        J: Coupling times inverse temperature.
        w: One weight for all spins of the block, or the four weights.

    Returns:
        ``()``, nats, float64; differentiable in both arguments.

    Raises:
        ValueError: If there is not one finite coupling, or not one or four finite weights.

    Reference: arXiv:1704.06279.

    >>> round(environment_mutual_information(0.5, 1.0).item(), 7)
    0.365794
    """
    weights = torch.as_tensor(w, dtype=torch.float64)
    if weights.numel() not in (1, 4) or not weights.isfinite().all():
        raise ValueError(f"got weights {weights.tolist()}, expected one or four finite numbers")
    J = torch.as_tensor(J, dtype=torch.float64, device=weights.device)
    if J.dim() or not J.isfinite():
        raise ValueError(f"got the coupling {J.tolist()}, expected one finite number")
    joint = rbm_joint_log_prob(weights.flatten().expand(4)[:, None])
    return information_through(joint, [neighbour_channel(J)] * 4)
