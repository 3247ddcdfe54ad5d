"""Exact mutual information of a block variable, on a torus small enough to enumerate."""

import torch
from torch import Tensor

from rgflow.realspace.model.rbm import log_normalize, spin_states
from rgflow.realspace.samples.block_filter import block_law


def torus_information(J: float, height: int, width: int, weights: Tensor) -> Tensor:
    r"""Mutual information ``I(t : e)`` of a block variable and all other spins of the torus.

    The block variable has the law ``P(t | v) ~ exp(t w.v)``, where v are the spins of a block in a
    corner of the lattice.

    Args:
        J: Coupling times inverse temperature. Each site has one bond to its right neighbour and
            one to its lower neighbour, so that bonds are double where a side is 2.
        height: Number of rows of the lattice.
        width: Number of columns of the lattice.
        weights: Filter w, ``(rows, columns)``.

    Returns:
        ``()``, nats; differentiable in the weights.

    Raises:
        ValueError: If there are too many spins to enumerate, or if the block does not fit on the
            lattice.
    """
    rows, columns = weights.shape
    if rows > height or columns > width:
        raise ValueError(
            f"got a block of {rows}x{columns} on a {height}x{width} lattice, expected it to fit"
        )
    states = spin_states(height * width, weights).view(-1, height, width)
    bonds = states * (states.roll(-1, 1) + states.roll(-1, 2))
    log_prob = log_normalize(J * bonds.sum((1, 2)))
    inside = torch.zeros(height, width, dtype=torch.bool, device=weights.device)
    inside[:rows, :columns] = True
    law = block_law(states[:, inside], weights.flatten())  # (states, 2)
    is_down = states[:, ~inside] < 0
    outcome = (is_down * 2 ** torch.arange(is_down.shape[1], device=weights.device)).sum(1)
    joint = torch.zeros(2 ** is_down.shape[1], 2, dtype=weights.dtype, device=weights.device)
    joint = joint.index_add(0, outcome, log_prob.exp()[:, None] * law)
    return _entropy(joint.sum(0)) + _entropy(joint.sum(1)) - _entropy(joint)


def _entropy(p: Tensor) -> Tensor:
    """Entropy ``-sum p ln p``, ``()``, nats."""
    return torch.special.entr(p).sum()
