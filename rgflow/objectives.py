"""What training minimises, as pure functions of a flow and tensors."""

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
        generator: Of the latents.

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

    Also called "sticking the landing".

    ``d/d theta [log q_theta' + E](g_theta(z))`` at ``theta' = theta``: what is left out, the score
    ``d log q_theta / d theta``, has mean zero; what is kept has no variance where q = p.

    Args:
        flow: q. Parameters are frozen for a moment and left as they were.
        energy: E.
        n: Number of samples.
        generator: Of the latents.

    Returns:
        Nats, ``(n,)``.

    Reference: arXiv:1703.09194, arXiv:2207.08219.
    """
    x = flow.sample(n, generator=generator)
    position = x.detach().requires_grad_()
    with frozen(flow):
        values = flow(position) + energy.energy(position)
        (slope,) = torch.autograd.grad(values.sum(), position)
    along = (x * slope).flatten(1).sum(1)
    return values.detach() + along - along.detach()


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Parameters ask for no gradients inside; those that did before do so again after."""
    asking = [p for p in module.parameters() if p.requires_grad]
    try:
        for parameter in asking:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
