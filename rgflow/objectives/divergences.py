"""Both divergences between a flow and its target, and estimates of their gradients."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from rgflow.energies import Energy
    from rgflow.flow import Flow


def negative_log_likelihood(flow: "Flow", x: Tensor) -> Tensor:
    r"""Negative log-likelihood of samples of the data, ``-ln p(x)``.

    Its mean over the data is the cross-entropy: the Kullback-Leibler divergence of the flow from
    the law of the data, plus that law's entropy.

    Args:
        flow: The flow; it is called, not asked for ``log_prob``, so that a compiled or a
            distributed wrapper of it takes effect.
        x: Samples, ``(B, C, L, L)``; images with intensities in [0, 1], dequantized.

    Returns:
        Nats per sample, ``(B,)``.
    """
    return -flow(x)


def reverse_kl(
    flow: "Flow", energy: "Energy", n: int, generator: torch.Generator | None = None
) -> Tensor:
    r"""``log q(x) + E(x)`` of samples of the flow; its mean is ``KL(q || p) - ln Z``.

    The gradient is that of the reparametrised estimate, ``x = g(z)``.

    Args:
        flow: q.
        energy: E, of the target ``p = exp(-E) / Z``.
        n: Number of samples.
        generator: Random numbers of the latents.

    Returns:
        Nats, ``(n,)``, whose mean is a variational bound on ``-ln Z``.

    Reference: arXiv:1802.02840.
    """
    x, log_prob = flow.sample_and_log_prob(n, generator=generator)
    return log_prob + energy.energy(x)


def path_gradient(
    flow: "Flow", energy: "Energy", n: int, generator: torch.Generator | None = None
) -> Tensor:
    r"""Values of `reverse_kl`, with the gradient through the samples alone.

    The gradient is ``d/d theta [log q_theta' + E](g_theta(z))`` at ``theta' = theta``. What it
    leaves out, the score ``d log q_theta / d theta``, has mean zero; what it keeps has no variance
    where q = p. It is also called "sticking the landing".

    Args:
        flow: q. Its parameters are frozen for a moment and left as they were.
        energy: E, of the target ``p = exp(-E) / Z``.
        n: Number of samples.
        generator: Random numbers of the latents.

    Returns:
        Nats, ``(n,)``.

    Reference: arXiv:1703.09194, arXiv:2207.08219.
    """
    x = flow.sample(n, generator=generator)
    position = x.detach().requires_grad_()
    with frozen(flow):
        values = flow(position) + energy.energy(position)
        (slope,) = torch.autograd.grad(values.sum(), position)
    return values.detach() + _along(x, slope)


def forward_path_gradient(
    flow: "Flow", energy: "Energy", x: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    r"""``-log q(x)`` of states of the target, with a gradient that has no variance where q = p.

    The latents z of a state are found, and the gradient is that of `path_gradient` at
    ``g_theta(z) = x``: ``d/d theta [log q_theta' + E](g_theta(z))`` at ``theta' = theta``, for
    states of p instead of samples of q. Its mean is the gradient of the cross-entropy. With a
    mixture of both signs, the sign and the latents of a state are drawn from what the flow says
    about them. One encoding serves the density, its slope and the latents.

    Args:
        flow: q, of one image of the lattice where it is averaged over the square. Its parameters
            are frozen for a moment and left as they were.
        energy: E, of the target ``p = exp(-E) / Z``.
        x: States of the target, ``(B, C, L, L)``.
        generator: Random numbers of the signs.

    Returns:
        Nats, ``(B,)``, whose mean is ``KL(p || q)`` plus the entropy of p.

    Reference: arXiv:2207.08219, arXiv:2403.15881.
    """
    flow, position = flow.one_image, x.detach().requires_grad_()
    with frozen(flow):
        z, by_sign = flow(position, by_sign=True)
        log_prob = by_sign.logsumexp(0) - math.log(len(by_sign))
        values = log_prob + energy.energy(position)
        (slope,) = torch.autograd.grad(values.sum(), position)
    made = _made_again(flow, z.detach(), by_sign.detach(), generator)
    return _along(made, slope) - log_prob.detach()


def _along(x: Tensor, slope: Tensor) -> Tensor:
    """Zeros ``(B,)``, whose gradient is that of functions of x with this slope."""
    along = (x * slope).flatten(1).sum(1)
    return along - along.detach()


def _made_again(
    flow: "Flow", z: Tensor, log_prob: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Events as functions of the flow's weights, ``g_theta(z)`` at their latents z.

    Of the latents of both signs, one is drawn with the probability that the flow gives it.

    Args:
        flow: The flow.
        z: Latents of the events by sign, ``(S, B, *event_shape)``.
        log_prob: Their log densities, ``(S, B)``.
        generator: Source of the random numbers; the global one if None.

    Returns:
        The events, up to rounding, ``(B, *event_shape)``.
    """
    if len(z) == 1:
        return flow.bijector.inverse(z[0])[0]
    share = (log_prob[0] - log_prob[1]).sigmoid()
    uniform = torch.rand(len(share), generator=generator, device=share.device, dtype=share.dtype)
    is_plus = (uniform < share).view(-1, *[1] * (z.dim() - 2))
    made, _ = flow.bijector.inverse(torch.where(is_plus, *z))
    return torch.where(is_plus, made, -made)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside, parameters do not require gradients; ``requires_grad`` is restored afterwards."""
    asking = [p for p in module.parameters() if p.requires_grad]
    try:
        for parameter in asking:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
