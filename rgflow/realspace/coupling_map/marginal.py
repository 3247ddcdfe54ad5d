"""Summing out the spins: the couplings between the hidden units of neighbouring blocks."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.block_variable.fit import Fit, fit_rbm
from rgflow.realspace.coupling_map.coupling_flow import LinearisedFlow, linearise
from rgflow.realspace.model.block_geometry import Block, Site
from rgflow.realspace.model.minimize import local_expansion
from rgflow.realspace.model.rbm import log_2cosh, rbm_divergence, spin_states

MAX_COUPLING = 40.0
"""Largest coupling that `renormalize` takes; at larger ones float64 does not resolve J'."""


class BlockMap(NamedTuple):
    """Renormalized nearest-neighbour coupling J', slope ``dJ'/dJ``, and the fit of the RBM."""

    coupling: float
    slope: float
    fit: Fit


def block_couplings(block: Block, weights: Tensor) -> dict[Site, Tensor]:
    r"""Pair couplings between the hidden units of the block at the origin and of its neighbours.

    The sum over a spin that several blocks share gives ``2 cosh h`` with the field ``h = sum w t``
    of all their hidden units. ``ln 2 cosh h`` is expanded in products of hidden units, of which
    the products of two are kept. Products of four or more are left out; they arise where more than
    two blocks share a spin or where a block has several hidden units.

    Args:
        block: Geometry of the blocks.
        weights: Weights of the RBM, ``(visible, hidden)``.

    Returns:
        Couplings ``(hidden, hidden)`` by position of the neighbour; the rows are the units at the
        origin. The entry of the origin holds the couplings inside the block, with a zero diagonal.

    Raises:
        ValueError: If the number of rows is not the number of visible spins.

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
        fields = torch.cat([weights[row[i]] for _, i in owners])  # (blocks * hidden,)
        pairs = _pair_coefficients(fields).unflatten(0, (-1, hidden)).unflatten(2, (-1, hidden))
        here = [position for position, _ in owners].index(origin)
        for other, (position, _) in enumerate(owners):
            pair = pairs[here, :, other]
            pair = pair - pair.diag().diag() if other == here else pair  # t * t = 1 is a constant
            couplings[position] = couplings.get(position, 0) + pair
    return couplings


def nearest_coupling(block: Block, weights: Tensor) -> Tensor:
    """Mean coupling to the nearest blocks, ``(hidden, hidden)``.

    Couplings inside a block and to blocks further away, such as the diagonal neighbours of
    `SQUARE`, are left out.

    Args:
        block: Geometry of the blocks.
        weights: Weights of the RBM, ``(visible, hidden)``.

    Raises:
        ValueError: If the number of rows is not the number of visible spins.
    """
    couplings = block_couplings(block, weights)
    nearest = min(_squared_length(site) for site in couplings if any(site))
    return torch.stack([c for x, c in couplings.items() if _squared_length(x) == nearest]).mean(0)


def renormalize(block: Block, J: float, start: Tensor | None = None) -> BlockMap:
    r"""The map ``J -> J'`` of any block with one hidden unit, and its slope ``dJ'/dJ``.

    The RBM is fitted to the law of the block with free weights. The slope follows from the
    implicit function theorem, ``dw/dJ = -H^+ d(grad D)/dJ``. It takes the pseudo-inverse of the
    Hessian, because some directions of the weights may change neither D nor J'.

    Args:
        block: Geometry of the blocks.
        J: Coupling times inverse temperature, above 0 and at most `MAX_COUPLING`.
        start: Initial weights, ``(visible, 1)``; all 1/2 if None.

    Raises:
        ValueError: If the coupling is out of range, if the shape of the start is not ``(visible,
            1)``, or if float64 does not resolve the minimum.
    """
    if not 0 < J <= MAX_COUPLING:
        raise ValueError(f"got the coupling {J}, expected one > 0 and <= {MAX_COUPLING:g}")
    shape = (len(block.visible), 1)
    if start is None:
        start = torch.full(shape, 0.5, dtype=torch.float64)
    if tuple(start.shape) != shape:
        raise ValueError(f"got initial weights of shape {tuple(start.shape)}, expected {shape}")
    fit = fit_rbm(block.log_prob(J), start)

    def divergence(w: Tensor, J: Tensor) -> Tensor:
        return rbm_divergence(block.log_prob(J), w)

    coupling = torch.tensor(J, dtype=torch.float64)
    mixed = torch.func.jacrev(torch.func.grad(divergence), 1)(fit.weights, coupling).flatten()
    by_weight = torch.func.grad(lambda w: nearest_coupling(block, w).sum())(fit.weights).flatten()
    local = local_expansion(lambda w: divergence(w, coupling), fit.weights)
    directions, curvatures = local.directions[:, ~local.flat], local.curvatures[~local.flat]
    undetermined = (local.directions[:, local.flat].T @ by_weight).norm().item()
    if not fit.converged or undetermined > 1e-6:
        raise ValueError(
            f"got no minimum at J={J} that determines J' (gradient {fit.gradient_norm:.1e}), "
            "expected a coupling at which the curvature of the divergence is above rounding errors"
        )
    slope = -(by_weight @ directions) @ ((directions.T @ mixed) / curvatures)
    return BlockMap(nearest_coupling(block, fit.weights).item(), slope.item(), fit)


def block_flow(block: Block, low: float = 0.1, high: float = 2.0) -> LinearisedFlow:
    r"""Fixed point and exponent of the map of a block, truncated to the nearest coupling.

    Args:
        block: Geometry of the blocks.
        low: A coupling below the fixed point, which the map makes smaller.
        high: A coupling above the fixed point, which the map makes larger.

    Raises:
        ValueError: If the map does not make ``low`` smaller and ``high`` larger. In one dimension
            there is no such fixed point.
    """
    from scipy.optimize import brentq

    def growth(J: float) -> float:
        return renormalize(block, J).coupling - J

    if not growth(low) < 0 < growth(high):
        raise ValueError(
            f"got no fixed point between {low} and {high}, expected J' < J at the lower coupling "
            "and J' > J at the higher one"
        )
    J = brentq(growth, low, high, xtol=1e-13)
    return linearise(lambda x: renormalize(block, x)[:2], J, block.rescaling)


def _pair_coefficients(fields: Tensor) -> Tensor:
    """Coefficients of ``t_a t_b`` in ``ln 2 cosh(sum_a fields_a t_a)``, ``(n,) -> (n, n)``."""
    states = spin_states(len(fields), fields)
    values = log_2cosh(states @ fields)
    return torch.einsum("s,sa,sb->ab", values, states, states) / len(states)


def _squared_length(site: Site) -> int:
    return sum(x * x for x in site)
