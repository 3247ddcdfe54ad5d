"""Exact mutual information of a block variable on a torus that is small enough to enumerate."""

import torch
from torch import Tensor

from rgflow.realspace.model.rbm import log_normalize, spin_states
from rgflow.realspace.samples.block_filter import block_law


def torus_information(J: float, height: int, width: int, weights: Tensor) -> Tensor:
    r"""``I(t : e)`` between the block variable of a filter and all other spins of the torus.

    Args:
        J: Coupling; each site has a bond to its right and to its lower neighbour.
        height: Of the lattice.
        width: Of the lattice.
        weights: Filter ``(rows, columns)`` of the block in a corner, ``P(t | v) ~ exp(t w.v)``.

    Returns:
        ``()``, nats; differentiable in the weights.

    Raises:
        ValueError: If there are too many spins to enumerate, or the block does not fit.
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
    return torch.special.entr(p).sum()
