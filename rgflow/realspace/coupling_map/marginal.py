"""Summing out the spins: couplings between the block variables of neighbouring blocks."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.block_variable.fit import Fit, fit_rbm
from rgflow.realspace.coupling_map.coupling_flow import LinearisedFlow, linearise
from rgflow.realspace.model.block_geometry import Block, Site
from rgflow.realspace.model.minimize import local_expansion
from rgflow.realspace.model.rbm import log_2cosh, rbm_divergence, spin_states

MAX_COUPLING = 40.0
"""Largest coupling of `renormalize`."""


class BlockMap(NamedTuple):
    """Renormalized nearest-neighbour coupling of a block, its slope, and the RBM's fit."""

    coupling: float
    slope: float
    fit: Fit


def block_couplings(block: Block, weights: Tensor) -> dict[Site, Tensor]:
    r"""Pair couplings of the hidden units of the block at the origin.

    The sum over a spin that several blocks share is ``2 cosh h`` with the field ``h = sum w t`` of
    all their hidden units, and ``ln 2 cosh h`` is expanded in products of hidden units. Here are
    the coefficients of products of two. Products of four and more are left out; there are none
    where two blocks of one hidden unit share a spin, but there are where more than two do, and
    with several hidden units in a block.

    Args:
        block: The geometry.
        weights: ``(visible, hidden)``.

    Returns:
        For each neighbour, by its position, ``(hidden, hidden)``: row for the unit at the origin.
        At the origin itself stand the couplings inside the block, with zeros on the diagonal.

    Raises:
        ValueError: If there is not a row for each visible spin.

    >>> from rgflow.realspace.model.block_geometry import PLAQUETTE
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
            pair = pairs[here, :, other]
            pair = pair - pair.diag().diag() if other == here else pair  # t t = 1: no coupling
            couplings[where] = couplings.get(where, 0) + pair
    return couplings


def nearest_coupling(block: Block, weights: Tensor) -> Tensor:
    """Mean coupling to the nearest blocks, ``(hidden, hidden)``.

    Couplings inside a block and to blocks further away, such as the diagonal neighbours of
    `SQUARE`, are left out; see `block_couplings`.
    """
    couplings = block_couplings(block, weights)
    nearest = min(_length(where) for where in couplings if any(where))
    return torch.stack([c for where, c in couplings.items() if _length(where) == nearest]).mean(0)


def renormalize(block: Block, J: float, start: Tensor | None = None) -> BlockMap:
    r"""The map ``J -> J'`` of any block with one hidden unit, and ``dJ'/dJ``.

    The RBM is trained on the block's law with free weights; the slope follows from the implicit
    function theorem, ``dw/dJ = -H^+ d(grad D)/dJ`` with the pseudo-inverse of the Hessian, since
    the weights may have directions that change neither D nor J'.

    Args:
        block: The geometry.
        J: Coupling in (0, 40]; beyond, ``J'`` is not told apart by float64.
        start: Weights to begin with, ``(visible, 1)``; all 1/2 if None.

    Raises:
        ValueError: If the coupling is out of range, the start has not one hidden unit, or no
            minimum is found to float64's precision.
    """
    if not 0 < J <= MAX_COUPLING:
        raise ValueError(f"got the coupling {J}, expected one > 0 and <= {MAX_COUPLING:g}")
    shape = (len(block.visible), 1)
    if start is None:
        start = torch.full(shape, 0.5, dtype=torch.float64)
    if tuple(start.shape) != shape:
        raise ValueError(f"got a start of shape {tuple(start.shape)}, expected {shape}")
    fit = fit_rbm(block.log_prob(J), start)

    def divergence(w: Tensor, J: Tensor) -> Tensor:
        return rbm_divergence(block.log_prob(J), w)

    at = torch.tensor(J, dtype=torch.float64)
    mixed = torch.func.jacrev(torch.func.grad(divergence), 1)(fit.weights, at).flatten()
    by_weight = torch.func.grad(lambda w: nearest_coupling(block, w).sum())(fit.weights).flatten()
    local = local_expansion(lambda w: divergence(w, at), fit.weights)
    directions, curvatures = local.directions[:, ~local.flat], local.curvatures[~local.flat]
    left_open = (local.directions[:, local.flat].T @ by_weight).norm().item()
    if not fit.converged or left_open > 1e-6:
        raise ValueError(
            f"got no minimum at J={J} that determines J' (gradient {fit.gradient_norm:.1e}), "
            "expected a coupling at which the curvature of the divergence is above rounding errors"
        )
    slope = -(by_weight @ directions) @ ((directions.T @ mixed) / curvatures)
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
    return linearise(lambda x: renormalize(block, x)[:2], J, block.rescaling)


def _pair_coefficients(fields: Tensor) -> Tensor:
    """Coefficients of ``t_a t_b`` in ``ln 2 cosh(sum_a fields_a t_a)``, ``(n,) -> (n, n)``."""
    states = spin_states(len(fields), fields)
    values = log_2cosh(states @ fields)
    return torch.einsum("s,sa,sb->ab", values, states, states) / len(states)


def _length(where: Site) -> int:
    return sum(x * x for x in where)
