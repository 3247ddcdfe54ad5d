"""Fitting an RBM to the law of a block, and what several hidden units do."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.model.minimize import Minimum, minimize
from rgflow.realspace.model.rbm import rbm_divergence


class Fit(NamedTuple):
    """What `fit_rbm` has found.

    Attributes:
        weights: ``(spins, hidden)``.
        divergence: ``D_KL(P || P_RBM)``, nats.
        gradient_norm: Of the divergence.
        converged: Whether there is a minimum there. It is not where the divergence falls for ever
            as weights grow: two hidden units on a plaquette tend to copies of two opposite spins,
            and the divergence to zero.
    """

    weights: Tensor
    divergence: float
    gradient_norm: float
    converged: bool


def fit_rbm(log_target: Tensor, start: Tensor, tolerance: float = 1e-10) -> Fit:
    r"""Minimise ``D_KL(P || P_RBM)`` over the weights of an RBM, in float64.

    A saddle, where a start with a symmetry may lead, is left along its most negative curvature.
    The signs of hidden units, which are arbitrary, are chosen such that the weights of each have a
    positive sum, as far as it is not zero.

    Args:
        log_target: Law of the spins, ``(2**spins,)``.
        start: Weights to begin with, ``(spins, hidden)``, up to a factor: the root of their mean
            square is made one. A unit with huge weights would copy one spin for ever, and one with
            zeros would keep them, since both leave no gradient.
        tolerance: Norm of the gradient at which LBFGS hands over to Newton.

    Returns:
        The fit; whether it is one to rely on is told by ``converged``.

    Raises:
        ValueError: If shapes do not match, a unit starts with zeros, or the start is not float64.
    """
    if tuple(log_target.shape) != (2 ** len(start),):
        raise ValueError(
            f"got a law of {len(log_target)} states and weights of {len(start)} spins, "
            f"expected {2 ** len(start)} states"
        )
    if not start.any(0).all() or not start.isfinite().all():
        raise ValueError(f"got the start {start.tolist()}, expected finite and no unit of zeros")
    start = start / start.square().mean().sqrt()
    best = minimize(lambda w: rbm_divergence(log_target, w), start, tolerance)
    return _fit(best, torch.where(best.argument.sum(0) < 0, -best.argument, best.argument))


def fit_coinciding(log_target: Tensor, hidden: int, tolerance: float = 1e-10) -> Fit:
    """Best fit among RBMs whose hidden units all have one and the same weight on all spins.

    By symmetry the gradient is the same for all of them, hence this is a stationary point of the
    RBM with free weights too; with two hidden units or more it need not be a minimum.

    Args:
        log_target: Law of the spins, ``(2**spins,)``, that does not tell them apart.
        hidden: Number of hidden units.
        tolerance: Norm of the gradient at which LBFGS hands over to Newton.
    """
    spins = len(log_target).bit_length() - 1

    def divergence(weight: Tensor) -> Tensor:
        return rbm_divergence(log_target, weight.expand(spins, hidden))

    start = torch.full((1, 1), 0.5, dtype=torch.float64)
    best = minimize(divergence, start, tolerance)
    return _fit(best, best.argument.abs().expand(spins, hidden).clone())


class Learning(NamedTuple):
    """What gradient descent does: KL divergence and `cosine_similarity`, each ``(records,)``."""

    steps: Tensor
    divergence: Tensor
    cosine_similarity: Tensor


def learn(
    log_target: Tensor, start: Tensor, steps: int = 3000, rate: float = 0.1, every: int = 10
) -> Learning:
    """Plain gradient descent on the divergence, as one would watch it.

    Args:
        log_target: Law of the spins, ``(2**spins,)``.
        start: Weights ``(spins, hidden)``; small ones show how features form.
        steps: Number of steps.
        rate: Length of a step over the gradient.
        every: Steps between records.
    """
    weights = start.detach().clone().requires_grad_()
    records: list[tuple[float, float, float]] = []
    for step in range(steps + 1):
        value = rbm_divergence(log_target, weights)
        if step % every == 0:
            records.append((step, value.item(), cosine_similarity(weights.detach()).item()))
        (gradient,) = torch.autograd.grad(value, weights)
        weights = (weights.detach() - rate * gradient).requires_grad_()
    return Learning(*torch.tensor(records, dtype=torch.float64).unbind(1))


def cosine_similarity(weights: Tensor) -> Tensor:
    """Smallest modulus of the cosine between the weights of two hidden units, ``()``.

    It is 1 if all have learned the same feature up to sign.

    Args:
        weights: ``(spins, hidden)``.
    """
    directions = torch.nn.functional.normalize(weights, dim=0)
    return (directions.T @ directions).abs().min()


def _fit(best: Minimum, weights: Tensor) -> Fit:
    return Fit(weights, best.value, best.gradient_norm, best.converged)
