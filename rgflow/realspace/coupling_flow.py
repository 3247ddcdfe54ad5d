r"""The lecture's renormalization of the coupling: one weight, one root, one exponent.

On a plaquette the machine has one hidden unit with the same weight w on all four spins. The weight
minimises ``L(w) = D_KL(P_loc || P_RBM) - beta I(s_env : t)``; summing out the spins then gives
``J' = 1/2 ln cosh 2w`` between neighbouring block variables, on a lattice of spacing ``sqrt 2``.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.environment import environment_mutual_information
from rgflow.realspace.rbm import log_2cosh

CRITICAL_COUPLING = math.log(1 + math.sqrt(2)) / 2
"""Exact critical coupling of the Ising model on the square lattice."""


class LinearisedFlow(NamedTuple):
    """Non-trivial fixed point ``J*``, slope ``dJ'/dJ`` there, nu, and the solver's error of nu."""

    fixed_point: float
    slope: float
    exponent: float
    error: float


def coupling_weight(J: float, beta: float = 0.0) -> float:
    """The machine's weight ``w(J)``: the root of ``dL/dw``, by scipy.

    Args:
        J: Coupling >= 0, which includes the inverse temperature.
        beta: Weight of the mutual information with the environment, >= 0.

    Returns:
        The weight >= 0 with the smallest L; with beta > 0 the first root above that of beta = 0.

    Raises:
        ValueError: If the coupling or beta is negative or not finite, or the coupling is so large
            that Boltzmann weights leave the range of float64.

    >>> round(coupling_weight(0.1), 7), round(coupling_weight(1.0), 7)
    (0.2772751, 1.6859469)
    """
    from scipy.optimize import brentq

    _check("coupling", J, 150.0)
    _check("beta", beta, math.inf)
    if beta == 0 and J < 1e-8:
        return math.sqrt(
            2 * J / 3
        )  # the series, correct to J relative; the root drowns in rounding
    if J == 0:
        return 0.0  # nothing to know about independent spins

    def slope(w: float) -> float:
        return loss_slope(_number(J), _number(w), beta).item()

    # between them lies the root for beta = 0: sqrt(2J/3) for small J, below 2J for large J
    low, high = 0.5 * min(J, math.sqrt(J)), 2 * J + 1
    if beta > 0:
        low = coupling_weight(J)
        while slope(high) < 0:
            high *= 2
    return brentq(slope, low, high, xtol=1e-300, rtol=1e-15)


def renormalized_coupling(J: float, beta: float = 0.0) -> float:
    """``J' = 1/2 ln cosh 2w(J)``.

    Args:
        J: Coupling >= 0.
        beta: Weight of the mutual information, >= 0.

    Raises:
        ValueError: As `coupling_weight`.

    >>> round(renormalized_coupling(0.6), 7)
    0.6499513
    """
    return coupling_of_weight(coupling_weight(J, beta))


def coupling_of_weight(w: float) -> float:
    """``1/2 ln cosh 2w``, for weights up to 350."""
    return math.log1p(2 * math.sinh(w) ** 2) / 2  # exact for small w too


def flow_slope(J: float, beta: float = 0.0) -> float:
    """``dJ'/dJ = tanh(2w) dw/dJ`` with ``dw/dJ`` from the implicit function theorem."""
    w = coupling_weight(J, beta)
    by_coupling, by_weight = torch.func.grad(loss_slope, (0, 1))(_number(J), _number(w), beta)
    return math.tanh(2 * w) * -(by_coupling / by_weight).item()


def weight_of_coupling(J: float) -> float:
    """The weight that renormalizes to J', ``w = 1/2 arcosh exp(2J')``; inverse of the above."""
    return math.acosh(math.exp(2 * J)) / 2


def fixed_point(beta: float = 0.0) -> float:
    """The non-trivial fixed point ``J* = J'(J*)``, by scipy; it falls with beta.

    Raises:
        ValueError: If beta is not in [0, 20].

    >>> round(fixed_point(), 7)
    0.4862611
    """
    from scipy.optimize import brentq

    _check("beta", beta, 20.0)

    def slope(J: float) -> float:
        # J is a fixed point where the weight that maps it to itself is the best one
        return loss_slope(_number(J), _number(weight_of_coupling(J)), beta).item()

    return brentq(slope, 0.01, 0.6, xtol=1e-15, rtol=1e-15)


def beta_of_fixed_point(J: float) -> float:
    """The beta for which J is a fixed point; at `CRITICAL_COUPLING` that which makes J* exact.

    Args:
        J: Coupling in (0, J*(beta = 0)].
    """
    J_, w = _number(J), _number(weight_of_coupling(J))
    return (loss_slope(J_, w) / information_slope(J_, w)).item()


def linearised_flow(beta: float = 0.0) -> LinearisedFlow:
    r"""Fixed point, slope and ``nu = ln sqrt2 / ln (dJ'/dJ)``.

    The error is what the residual ``|J'(J*) - J*|`` and rounding leave open: nu at both ends of
    that interval of J.
    """
    J = fixed_point(beta)
    slope = flow_slope(J, beta)
    residual = abs(renormalized_coupling(J, beta) - J) + 1e-15
    reach = residual / (slope - 1)
    ends = [_exponent(flow_slope(J + d, beta)) for d in (-reach, reach)]
    error = max(abs(end - _exponent(slope)) for end in ends) + 1e-14
    return LinearisedFlow(J, slope, _exponent(slope), error)


def correlation_length_exponent(beta: float = 0.0) -> float:
    """The exponent nu of ``xi ~ |J - J*|^-nu``; see `linearised_flow`.

    >>> round(correlation_length_exponent(), 7)
    1.135836
    """
    return linearised_flow(beta).exponent


def loss_slope(J: Tensor, w: Tensor, beta: float = 0.0) -> Tensor:
    r"""``dL/dw`` of the one weight, without cancellation at large couplings.

    To the machine the states of a plaquette differ by the modulus M of their magnetization only.
    With ``g_M = M tanh(wM)`` and its probabilities ``Q_M``, ``P_M`` under machine and model,
    ``dD/dw = sum_M (Q_M - P_M) g_M``, and ``Q_4 - P_4`` is eliminated by normalization.
    """
    zero = torch.zeros_like(J)
    degeneracy = torch.stack([zero + 2, zero + 8, 4 + 2 * (-4 * J).exp()])  # of |M| = 4, 2, 0
    p = torch.softmax(degeneracy.log() + torch.stack([4 * J, zero, zero]), 0)
    states = torch.tensor([2.0, 8.0, 6.0], dtype=J.dtype, device=J.device)
    q = torch.softmax(states.log() + log_2cosh(torch.stack([4 * w, 2 * w, 0 * w])), 0)
    g4, g2 = 4 * torch.tanh(4 * w), 2 * torch.tanh(2 * w)
    slope = (p[1] - q[1]) * (g4 - g2) + (p[2] - q[2]) * g4
    return slope - beta * information_slope(J, w) if beta else slope


def information_slope(J: Tensor, w: Tensor) -> Tensor:
    """``dI(s_env : t)/dw``, ``()``; differentiable."""
    return torch.func.grad(environment_mutual_information, 1)(J, w)


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _exponent(slope: float) -> float:
    return math.log(2) / 2 / math.log(slope)


def _check(name: str, value: float, largest: float) -> None:
    if not 0 <= value <= largest or value == math.inf:
        limit = "a finite number >= 0" if largest == math.inf else f"0 to {largest:g}"
        raise ValueError(f"got the {name} {value}, expected {limit}")
