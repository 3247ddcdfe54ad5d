"""Fitting an RBM to the law of a block, to its minimum or step by step by gradient descent."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.model.minimize import Minimum, minimize
from rgflow.realspace.model.rbm import rbm_divergence, with_positive_sums


class Fit(NamedTuple):
    """The result of `fit_rbm`.

    Attributes:
        weights: Weights of the RBM, ``(spins, hidden)``.
        divergence: ``D_KL(P || P_RBM)``, nats.
        gradient_norm: Norm of the gradient of the divergence.
        converged: Whether the weights are at a minimum. They are not if the divergence falls
            without end as the weights grow: two hidden units on a plaquette tend to copies of two
            opposite spins, and the divergence tends to zero.
    """

    weights: Tensor
    divergence: float
    gradient_norm: float
    converged: bool


def fit_rbm(log_target: Tensor, start: Tensor, tolerance: float = 1e-10) -> Fit:
    r"""Minimise ``D_KL(P || P_RBM)`` over the weights of an RBM, in float64.

    A start with a symmetry may lead to a saddle, which is left along its most negative curvature.
    The signs of the hidden units are arbitrary; they are chosen so that no unit has weights of
    negative sum.

    Args:
        log_target: Logarithm of the law of the spins, ``(2**spins,)``.
        start: Initial weights, ``(spins, hidden)``; they are rescaled to a root mean square of
            one. The gradient vanishes for a unit with huge weights, which copies one spin, and
            for a unit whose weights are all zero.
        tolerance: Norm of the gradient at which L-BFGS hands over to Newton's method.

    Returns:
        The fit; its ``converged`` tells whether it is a minimum.

    Raises:
        ValueError: If the shapes do not match, if the start is not finite and float64, or if all
            weights of a unit start at zero.
    """
    if tuple(log_target.shape) != (2 ** len(start),):
        raise ValueError(
            f"got a law of {len(log_target)} states and weights on {len(start)} spins, "
            f"expected {2 ** len(start)} states"
        )
    if not start.any(0).all() or not start.isfinite().all():
        raise ValueError(
            f"got the initial weights {start.tolist()}, expected finite numbers and no unit of "
            "zeros only"
        )
    start = start / start.square().mean().sqrt()
    best = minimize(lambda w: rbm_divergence(log_target, w), start, tolerance)
    return _fit(best, with_positive_sums(best.argument))


def fit_coinciding(log_target: Tensor, hidden: int, tolerance: float = 1e-10) -> Fit:
    """Best fit among RBMs with one and the same weight between all spins and all hidden units.

    By symmetry the gradient is the same for all weights, so that this fit is a stationary point
    of the RBM with free weights too. With two hidden units or more it need not be a minimum.

    Args:
        log_target: Logarithm of the law of the spins, ``(2**spins,)``, symmetric under all
            exchanges of spins that the block allows.
        hidden: Number of hidden units.
        tolerance: Norm of the gradient at which L-BFGS hands over to Newton's method.
    """
    spins = len(log_target).bit_length() - 1

    def divergence(weight: Tensor) -> Tensor:
        return rbm_divergence(log_target, weight.expand(spins, hidden))

    start = torch.full((1, 1), 0.5, dtype=torch.float64)
    best = minimize(divergence, start, tolerance)
    return _fit(best, best.argument.abs().expand(spins, hidden).clone())


class Descent(NamedTuple):
    """Records of a gradient descent, each ``(records,)``.

    Attributes:
        steps: Numbers of steps done.
        divergence: ``D_KL(P || P_RBM)`` after so many steps, nats.
        cosine_similarity: `cosine_similarity` of the hidden units after so many steps.
    """

    steps: Tensor
    divergence: Tensor
    cosine_similarity: Tensor


def gradient_descent(
    log_target: Tensor, start: Tensor, steps: int = 3000, rate: float = 0.1, every: int = 10
) -> Descent:
    """Plain gradient descent on the divergence, which shows how the hidden units form features.

    Args:
        log_target: Logarithm of the law of the spins, ``(2**spins,)``.
        start: Initial weights, ``(spins, hidden)``; small ones show the features as they form.
        steps: Number of steps.
        rate: Learning rate, the length of a step over the norm of the gradient.
        every: Number of steps between records.
    """
    weights = start.detach().clone().requires_grad_()
    records: list[tuple[float, float, float]] = []
    for step in range(steps + 1):
        value = rbm_divergence(log_target, weights)
        if step % every == 0:
            records.append((step, value.item(), cosine_similarity(weights.detach()).item()))
        (gradient,) = torch.autograd.grad(value, weights)
        weights = (weights.detach() - rate * gradient).requires_grad_()
    return Descent(*torch.tensor(records, dtype=torch.float64).unbind(1))


def cosine_similarity(weights: Tensor) -> Tensor:
    """Smallest ``|cosine|`` of the angle between the weights of two hidden units, ``()``.

    It is 1 if all units have learned the same feature up to sign.

    Args:
        weights: Weights of the RBM, ``(spins, hidden)``.
    """
    directions = torch.nn.functional.normalize(weights, dim=0)
    return (directions.T @ directions).abs().min()


def _fit(best: Minimum, weights: Tensor) -> Fit:
    return Fit(weights, best.value, best.gradient_norm, best.converged)
