"""Summing out the spins: couplings between the block variables of neighbouring blocks."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.block_geometry import Block, Site
from rgflow.realspace.coupling_flow import LinearisedFlow
from rgflow.realspace.fit import Fit, fit_rbm
from rgflow.realspace.rbm import kl_divergence, log_2cosh, rbm_log_prob, spin_states


class BlockMap(NamedTuple):
    """Renormalized nearest-neighbour coupling of a block, its slope, and the machine's fit."""

    coupling: float
    slope: float
    fit: Fit


def block_couplings(block: Block, weights: Tensor) -> dict[Site, Tensor]:
    r"""Pair couplings between hidden units of the block at the origin and of others.

    The sum over a spin that several blocks share is ``2 cosh h`` with the field ``h = sum w t`` of
    all their hidden units, and ``ln 2 cosh h`` is expanded in products of hidden units. Here are
    the coefficients of products of two; a spin in more than two blocks, or blocks of several
    hidden units, give products of more as well.

    Args:
        block: The geometry.
        weights: ``(visible, hidden)``.

    Returns:
        For each neighbour, by its position, ``(hidden, hidden)``: row for the unit at the origin.

    Raises:
        ValueError: If there is not a row for each visible spin.

    >>> from rgflow.realspace.block_geometry import PLAQUETTE
    >>> w = torch.full((4, 1), 0.9869690128, dtype=torch.float64)
    >>> round(block_couplings(PLAQUETTE, w)[1, 1].item(), 7)
    0.6499513
    """
    if weights.dim() != 2 or len(weights) != len(block.visible):
        raise ValueError(
            f"got weights of shape {tuple(weights.shape)}, expected ({len(block.visible)}, hidden)"
        )
    row = {spin: i for i, spin in enumerate(block.visible)}
    hidden = weights.shape[1]
    origin = (0,) * len(block.vectors)
    couplings: dict[Site, Tensor] = {}
    for spin in block.visible:
        owners = block.owners[spin]
        fields = torch.cat([weights[row[i]] for _, i in owners])  # (owners * hidden,)
        pairs = _pair_coefficients(fields).unflatten(0, (-1, hidden)).unflatten(2, (-1, hidden))
        here = [where for where, _ in owners].index(origin)
        for other, (where, _) in enumerate(owners):
            if other != here:
                couplings[where] = couplings.get(where, 0) + pairs[here, :, other]
    return couplings


def nearest_coupling(block: Block, weights: Tensor) -> Tensor:
    """Mean coupling to the nearest blocks, ``(hidden, hidden)``; further ones are left out."""
    couplings = block_couplings(block, weights)
    nearest = min(_length(where) for where in couplings)
    return torch.stack([c for where, c in couplings.items() if _length(where) == nearest]).mean(0)


def renormalize(block: Block, J: float, start: Tensor | None = None) -> BlockMap:
    r"""The map ``J -> J'`` of any block with one hidden unit, and ``dJ'/dJ``.

    The machine is trained on the block's law with free weights; the slope follows from the
    implicit function theorem, ``dw/dJ = -H^+ d(grad D)/dJ`` with the pseudo-inverse of the
    Hessian, since the weights may have directions that change neither D nor J'.

    Args:
        block: The geometry.
        J: Coupling > 0.
        start: Weights to begin with, ``(visible, 1)``; all 1/2 if None.

    Raises:
        ValueError: If the coupling is not finite.
    """
    if start is None:
        start = torch.full((len(block.visible), 1), 0.5, dtype=torch.float64)
    fit = fit_rbm(block.log_prob(J), start)

    def divergence(w: Tensor, J: Tensor) -> Tensor:
        return kl_divergence(block.log_prob(J), rbm_log_prob(w))

    at = (fit.weights, torch.tensor(J, dtype=torch.float64))
    size = fit.weights.numel()
    by_weights, mixed = torch.func.jacrev(torch.func.grad(divergence), (0, 1))(*at)
    hessian = by_weights.reshape(size, size)
    by_weight = torch.func.grad(lambda w: nearest_coupling(block, w).sum())(fit.weights)
    slope = (
        -by_weight.flatten()
        @ torch.linalg.pinv(hessian, rtol=1e-7, hermitian=True)
        @ mixed.flatten()
    )
    return BlockMap(nearest_coupling(block, fit.weights).item(), slope.item(), fit)


def block_flow(block: Block, low: float = 0.1, high: float = 2.0) -> LinearisedFlow:
    r"""Fixed point of the map of a block, cut down to the nearest coupling, and its exponent.

    Args:
        block: The geometry.
        low: A coupling that the map makes smaller.
        high: One that it makes larger.

    Raises:
        ValueError: If that is not so, as in one dimension, where there is no such fixed point.
    """
    from scipy.optimize import brentq

    def growth(J: float) -> float:
        return renormalize(block, J).coupling - J

    if not growth(low) < 0 < growth(high):
        raise ValueError(f"got no fixed point between {low} and {high}, expected J' < J, then > J")
    J = brentq(growth, low, high, xtol=1e-13)
    there = renormalize(block, J)
    reach = (abs(there.coupling - J) + 1e-13) / (there.slope - 1)
    nu, *ends = (
        math.log(block.rescaling) / math.log(renormalize(block, x).slope)
        for x in (J, J - reach, J + reach)
    )
    return LinearisedFlow(J, there.slope, nu, max(abs(end - nu) for end in ends))


def _pair_coefficients(fields: Tensor) -> Tensor:
    """Coefficients of ``t_a t_b`` in ``ln 2 cosh(sum_a fields_a t_a)``, ``(n,) -> (n, n)``."""
    states = spin_states(len(fields), fields)
    values = log_2cosh(states @ fields)
    return torch.einsum("s,sa,sb->ab", values, states, states) / len(states)


def _length(where: Site) -> int:
    return sum(x * x for x in where)
