"""Fitting a machine to the law of a block, and what several hidden units do."""

from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.realspace.minimize import minimize
from rgflow.realspace.rbm import kl_divergence, rbm_log_prob


class Fit(NamedTuple):
    """Weights ``(spins, hidden)``, their divergence in nats, and the norm of its gradient."""

    weights: Tensor
    divergence: float
    gradient_norm: float


def fit_rbm(log_target: Tensor, start: Tensor, tolerance: float = 1e-10) -> Fit:
    r"""Minimise ``D_KL(P || P_RBM)`` over the weights of a machine, in float64.

    The signs of hidden units, which are arbitrary, are chosen such that the weights of each have a
    positive sum, as far as it is not zero.

    Args:
        log_target: Law of the spins, ``(2**spins,)``.
        start: Weights to begin with, ``(spins, hidden)``, up to a factor: the root of their mean
            square is made one. A unit with huge weights would copy one spin for ever, and one with
            zeros would keep them, since both leave no gradient.
        tolerance: Norm of the gradient at which LBFGS hands over to Newton.

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
    best = minimize(lambda w: kl_divergence(log_target, rbm_log_prob(w)), start, tolerance)
    signs = torch.where(best.argument.sum(0) < 0, -1.0, 1.0)
    return Fit(best.argument * signs, best.value, best.gradient_norm)


def fit_coinciding(log_target: Tensor, hidden: int, tolerance: float = 1e-10) -> Fit:
    """Best fit among machines whose hidden units all have one and the same weight on all spins.

    By symmetry the gradient is the same for all of them, hence this is a stationary point of the
    machine with free weights too; with two hidden units or more it need not be a minimum.

    Args:
        log_target: Law of the spins, ``(2**spins,)``, that does not tell them apart.
        hidden: Number of hidden units.
        tolerance: Norm of the gradient at which LBFGS hands over to Newton.
    """
    spins = len(log_target).bit_length() - 1

    def divergence(weight: Tensor) -> Tensor:
        return kl_divergence(log_target, rbm_log_prob(weight.expand(spins, hidden)))

    start = torch.full((1, 1), 0.5, dtype=torch.float64)
    best = minimize(divergence, start, tolerance)
    return Fit(best.argument.abs().expand(spins, hidden).clone(), best.value, best.gradient_norm)


class Learning(NamedTuple):
    """What gradient descent does: divergence and likeness of the units, each ``(records,)``.

    The likeness is the smallest modulus of the cosine between the weights of two hidden units: 1
    if all have learned the same feature up to sign.
    """

    steps: Tensor
    divergence: Tensor
    likeness: Tensor


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
        value = kl_divergence(log_target, rbm_log_prob(weights))
        if step % every == 0:
            records.append((step, value.item(), likeness(weights.detach()).item()))
        (gradient,) = torch.autograd.grad(value, weights)
        weights = (weights.detach() - rate * gradient).requires_grad_()
    return Learning(*torch.tensor(records, dtype=torch.float64).unbind(1))


def likeness(weights: Tensor) -> Tensor:
    """Smallest modulus of the cosine between two columns of ``(spins, hidden)``, ``()``."""
    directions = torch.nn.functional.normalize(weights, dim=0)
    return (directions.T @ directions).abs().min()
