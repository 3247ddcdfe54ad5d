r"""The renormalization of the coupling on plaquettes: J -> J', its fixed point and exponent.

On a plaquette the RBM has one hidden unit with the same weight w on all four spins. The weight
minimises ``L(w) = D_KL(P_loc || P_RBM) - beta I(s_env : t)``. Summing out the spins gives the
coupling ``J' = 1/2 ln cosh 2w`` between neighbouring block variables, on a lattice of spacing
``sqrt 2``.
"""

import logging
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.block_variable.environment import environment_mutual_information
from rgflow.realspace.model.rbm import log_2cosh

log = logging.getLogger(__name__)

UNIFORM_BETA = 1.15662235
"""Weight beta of the mutual information above which, at the fixed point ``J*(beta)``, a copy of
one spin has a smaller loss than uniform weights; computed by `one_spin_copy.flow_limit`."""


class LinearisedFlow(NamedTuple):
    """A map J -> J' linearised at its non-trivial fixed point.

    Attributes:
        fixed_point: ``J* = J'(J*)``.
        slope: ``dJ'/dJ`` at the fixed point.
        exponent: Correlation length exponent nu.
        error: Numerical error of nu, from the residual of the fixed point and rounding.
    """

    fixed_point: float
    slope: float
    exponent: float
    error: float


def coupling_weight(J: float, beta: float = 0.0) -> float:
    """The best uniform weight ``w(J)``, the root of ``dL/dw``.

    At beta = 0 free weights have no better minimum. For some J a copy of one of the four spins,
    with a huge weight on it and small ones on the others, has a smaller loss above a certain beta:
    see `one_spin_copy.uniform_limit`.

    Args:
        J: Coupling times inverse temperature, 0 to 150. At larger couplings Boltzmann weights
            leave the range of float64.
        beta: Weight of the mutual information with the environment, 0 to 1000.

    Returns:
        The weight, >= 0; for beta > 0 the first root above the root of beta = 0.

    Raises:
        ValueError: If the coupling or beta is out of range.

    >>> round(coupling_weight(0.1), 7), round(coupling_weight(1.0), 7)
    (0.2772751, 1.6859469)
    """
    from scipy.optimize import brentq

    _check("coupling", J, 150.0)
    _check("beta", beta, 1000.0)
    if J < 1e-8:  # rounding errors hide the root; the series has a relative error of order J
        return math.sqrt(2 * J * (1 + beta * J) / 3)

    def slope(w: float) -> float:
        return loss_slope(_number(J), _number(w), beta).item()

    # bracket of the root for beta = 0, which is sqrt(2J/3) for small J and below 2J for large J
    low, high = 0.5 * min(J, math.sqrt(J)), 2 * J + 1
    if beta > 0:
        low = 0.5 * coupling_weight(J)
        while slope(high) < 0:
            high *= 2
    return brentq(slope, low, high, xtol=1e-300, rtol=1e-15)


def renormalized_coupling(J: float, beta: float = 0.0) -> float:
    """The coupling of the block variables, ``J' = 1/2 ln cosh 2w(J)``.

    Args:
        J: Coupling times inverse temperature, 0 to 150.
        beta: Weight of the mutual information with the environment, 0 to 1000.

    Raises:
        ValueError: If the coupling or beta is out of range.

    >>> round(renormalized_coupling(0.6), 7)
    0.6499513
    """
    return coupling_of_weight(coupling_weight(J, beta))


def coupling_of_weight(w: float) -> float:
    """The renormalized coupling of a uniform weight, ``1/2 ln cosh 2w``, for ``|w|`` up to 350."""
    return math.log1p(2 * math.sinh(w) ** 2) / 2  # exact for small w too


def flow_slope(J: float, beta: float = 0.0) -> float:
    """Slope of the map, ``dJ'/dJ = tanh(2w) dw/dJ``, by the implicit function theorem.

    Args:
        J: Coupling in units of the temperature.
        beta: Weight of the mutual information with the environment.
    """
    w = coupling_weight(J, beta)
    by_coupling, by_weight = torch.func.grad(loss_slope, (0, 1))(_number(J), _number(w), beta)
    return math.tanh(2 * w) * -(by_coupling / by_weight).item()


def weight_of_coupling(J: float) -> float:
    """Inverse of `coupling_of_weight`: ``w = 1/2 arcosh exp(2J)``, for J >= 0."""
    return math.asinh(math.sqrt(math.expm1(2 * J) / 2))  # exact for small J too


def fixed_point(beta: float = 0.0) -> float:
    """The non-trivial fixed point ``J* = J'(J*)`` of uniform weights, which falls with beta.

    Above `UNIFORM_BETA` uniform weights are not the best weights at the fixed point, which logs a
    warning.

    Args:
        beta: Weight of the mutual information with the environment, 0 to 20.

    Raises:
        ValueError: If beta is out of range.

    >>> round(fixed_point(), 7)
    0.4862611
    """
    from scipy.optimize import brentq

    _check("beta", beta, 20.0)
    if beta > UNIFORM_BETA:
        log.warning(
            "beta=%g is above %.4f: at the fixed point of uniform weights "
            "a copy of one spin has a smaller loss than uniform weights",
            beta,
            UNIFORM_BETA,
        )

    def slope(J: float) -> float:
        # J is a fixed point if the weight that renormalizes to J itself is the best weight
        return loss_slope(_number(J), _number(weight_of_coupling(J)), beta).item()

    return brentq(slope, 0.01, 0.6, xtol=1e-15, rtol=1e-15)


def beta_of_fixed_point(J: float) -> float:
    """The weight beta of the mutual information for which J is the fixed point.

    Args:
        J: Coupling times inverse temperature, above 0 and at most the fixed point of beta = 0.

    Raises:
        ValueError: If the coupling is out of range.
    """
    largest = fixed_point()
    if not 0 < J <= largest + 1e-12:
        raise ValueError(f"got the coupling {J}, expected one > 0 and <= J* = {largest:.7f}")
    coupling, weight = _number(J), _number(weight_of_coupling(J))
    return (loss_slope(coupling, weight) / information_slope(coupling, weight)).item()


def linearised_flow(beta: float = 0.0) -> LinearisedFlow:
    """Fixed point, slope and exponent of the map of plaquettes; see `linearise`."""

    def coupling_and_slope(J: float) -> tuple[float, float]:
        return renormalized_coupling(J, beta), flow_slope(J, beta)

    return linearise(coupling_and_slope, fixed_point(beta), math.sqrt(2))


def linearise(
    renormalized: Callable[[float], tuple[float, float]], J: float, rescaling: float
) -> LinearisedFlow:
    r"""Slope of a map J -> J' at its fixed point and the exponent ``nu = ln b / ln (dJ'/dJ)``.

    The residual ``|J'(J) - J|`` and rounding leave an interval of possible fixed points; the error
    of nu is its largest change over that interval.

    Args:
        renormalized: Function that maps a coupling J to ``(J', dJ'/dJ)``.
        J: The fixed point.
        rescaling: Length rescaling factor b, new over old lattice spacing.
    """
    coupling, slope = renormalized(J)
    uncertainty = (abs(coupling - J) + 1e-15) / (slope - 1)
    nu, *ends = (
        math.log(rescaling) / math.log(renormalized(x)[1])
        for x in (J, J - uncertainty, J + uncertainty)
    )
    return LinearisedFlow(J, slope, nu, max(abs(end - nu) for end in ends) + 1e-14)


def correlation_length_exponent(beta: float = 0.0) -> float:
    """The exponent nu of the correlation length, ``xi ~ |J - J*|^-nu``; see `linearised_flow`.

    >>> round(correlation_length_exponent(), 7)
    1.135836
    """
    return linearised_flow(beta).exponent


def loss_slope(J: Tensor, w: Tensor, beta: float = 0.0) -> Tensor:
    r"""Slope ``dL/dw`` of the loss of a uniform weight, without cancellation at large couplings.

    A uniform weight distinguishes the states of a plaquette only by the modulus M of their
    magnetization. With ``g_M = M tanh(wM)`` and the probabilities ``Q_M`` of the RBM and ``P_M``
    of the model, ``dD/dw = sum_M (Q_M - P_M) g_M``. Normalization eliminates ``Q_4 - P_4``.

    Args:
        J: Coupling times inverse temperature, ``()``.
        w: Uniform weight, ``()``.
        beta: Weight of the mutual information with the environment.

    Returns:
        ``()``, nats per unit weight; differentiable in J and w.
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
    """Slope ``dI(s_env : t)/dw`` of the mutual information in nats, ``()``; differentiable.

    Args:
        J: Coupling in units of the temperature, ``()``.
        w: Uniform weight of the block RBM, ``()``.
    """
    return torch.func.grad(environment_mutual_information, 1)(J, w)


def _number(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _check(name: str, value: float, largest: float) -> None:
    if not 0 <= value <= largest:
        raise ValueError(f"got the {name} {value}, expected 0 to {largest:g}")
