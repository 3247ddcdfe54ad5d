"""Both divergences between a flow and its target, and estimates of their gradients."""

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
    return _along_paths(flow, energy, x, x.detach())[0]


def forward_path_gradient(
    flow: "Flow", energy: "Energy", x: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    r"""``-log q(x)`` of states of the target, with a gradient that has no variance where q = p.

    The latents z of a state are found, and the gradient is that of `path_gradient` at
    ``g_theta(z) = x``: ``d/d theta [log q_theta' + E](g_theta(z))`` at ``theta' = theta``, for
    states of p instead of samples of q. Its mean is the gradient of the cross-entropy. With a
    mixture of both signs, the sign and the latents of a state are drawn from what the flow says
    about them.

    Args:
        flow: q. Its parameters are frozen for a moment and left as they were.
        energy: E, of the target ``p = exp(-E) / Z``.
        x: States of the target, ``(B, C, L, L)``.
        generator: Random numbers of the signs.

    Returns:
        Nats, ``(B,)``, whose mean is ``KL(p || q)`` plus the entropy of p.

    Reference: arXiv:2207.08219, arXiv:2403.15881.
    """
    made, position = made_again(flow, x, generator)
    values, log_prob = _along_paths(flow, energy, made, position)
    return values - values.detach() - log_prob


def _along_paths(
    flow: "Flow", energy: "Energy", x: Tensor, position: Tensor
) -> tuple[Tensor, Tensor]:
    """``log q + E`` with the gradient through x alone, and ``log q`` without a graph.

    Args:
        flow: q.
        energy: E.
        x: Fields as functions of the flow's parameters.
        position: The same fields without a graph.
    """
    position.requires_grad_()
    with frozen(flow):
        log_prob = flow(position)
        values = log_prob + energy.energy(position)
        (slope,) = torch.autograd.grad(values.sum(), position)
    along = (x * slope).flatten(1).sum(1)
    return values.detach() + along - along.detach(), log_prob.detach()


def made_again(
    flow: "Flow", x: Tensor, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Events as functions of the flow's weights, ``g_theta(z)`` at their latents z.

    With ``z2`` an event may come from two latents, of which one is drawn with the
    probability that the flow gives it. There is one image of the lattice.

    Args:
        flow: The flow.
        x: Events, ``(B, *event_shape)``.
        generator: Source of the random numbers; the global one if None.

    Returns:
        The events, up to rounding, differentiable in the weights alone; and as they were
        given, without a graph.
    """
    x = x.detach()
    with torch.no_grad():
        if not flow.z2:
            z, signs = flow.bijector(x)[0], None
        else:
            both, log_det = flow.bijector(torch.cat((x, -x)))
            plus, minus = (flow.prior.log_prob(both, 1.0) + log_det).chunk(2)
            uniform = torch.rand(len(x), generator=generator, device=x.device, dtype=x.dtype)
            is_plus = (uniform < (plus - minus).sigmoid()).view(-1, *[1] * (x.dim() - 1))
            z = torch.where(is_plus, *both.chunk(2))
            signs = torch.where(is_plus, 1.0, -1.0).to(x)
    made, _ = flow.bijector.inverse(z)
    return made if signs is None else signs * made, x


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
