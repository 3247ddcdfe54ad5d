"""Hamiltonian Monte Carlo in the latent space of a flow."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from rgflow.bijectors.base import Bijector
from rgflow.energies.gradient import minus_gradient
from rgflow.energies.symmetries import is_even
from rgflow.flow import Flow
from rgflow.montecarlo.hmc import HMCChains, hmc
from rgflow.montecarlo.target import Target
from rgflow.priors import Prior
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_same_events


class LatentTarget:
    r"""The pullback of a target through ``x = g(z)``: ``U(z) = E(g(z)) - log|det dg/dz|``.

    If z has the law ``exp(-U)``, then g(z) has exactly the law ``exp(-E)``, for any bijector.

    For an even energy and a flow whose density is the mixture of both signs, the samples are
    fields with a random sign, ``+-g(z)``. A field then has two latents, and each of them gets the
    share of its weight that the mixture has from there:
    ``U(z) = E(x) - log|det dg/dz| - ln(q(x) / (q(x) + q(-x)))`` at ``x = g(z)``, with q the
    flow's density without the mirror image. Up to a constant this is
    ``-ln prior(z) + ln q_mixture(x) + E(x)``, which is nearly the prior. Without the share, the
    phase that q leaves to its mirror image would have as much weight as the other one, far out in
    the tails, where no chain arrives.

    Args:
        target: The law of x.
        bijector: Its inverse is g.
        prior: The prior of a flow with ``z2``, for the mixture; None for a flow without.

    Raises:
        ValueError: If their event shapes differ.
    """

    def __init__(self, target: Target, bijector: Bijector, prior: Prior | None = None) -> None:
        check_same_events(bijector, target)
        self.target = target
        self.bijector = bijector
        self.prior = prior
        self.event_shape = tuple(target.event_shape)

    def energy(self, z: Tensor) -> Tensor:
        """``U(z)``, ``(B,)``."""
        x, log_det = self.bijector.inverse(z)
        energy = self.target.energy(x) - log_det
        if self.prior is None:
            return energy
        mirrored, mirrored_log_det = self.bijector(-x)
        here = self.prior.log_prob(z) - log_det
        there = self.prior.log_prob(mirrored) + mirrored_log_det
        return energy - logsigmoid(here - there)

    def force(self, z: Tensor) -> Tensor:
        """``-grad U(z)``, by automatic differentiation."""
        return minus_gradient(self.energy, z)


@torch.no_grad()
@takes_counts
def latent_hmc(
    flow: Flow,
    energy: Target,
    *,
    chains: int,
    steps: int,
    warmup: int,
    generator: torch.Generator,
    step_size: float = 0.1,
    leapfrog_steps: int = 10,
    target_acceptance: float = 0.8,
    thin: int = 1,
) -> HMCChains:
    r"""HMC on the latents of a flow, whose target ``exp(-E)`` the flow has made nearly simple.

    The latent energy is that of `LatentTarget`, ``U(z) = E(g(z)) - log|det dg/dz|`` with g the
    inverse of the flow's bijector. If the flow has ``z2``, it is the form for the mixture of both
    signs, and the samples get a random sign. In both cases they have exactly the law
    ``exp(-E) / Z``, whatever the flow's density.

    Args:
        flow: Its weights are left as they are.
        energy: The target, differentiable by autograd.
        chains: B.
        steps: Trajectories after the warm-up.
        warmup: Trajectories before, in which the step size is tuned.
        generator: Source of all randomness, on the flow's device.
        step_size: The step size with which the tuning starts.
        leapfrog_steps: Mean number of leapfrog steps of a trajectory.
        target_acceptance: The acceptance probability that the tuning aims at.
        thin: Every ``thin``-th state is kept.

    Returns:
        Samples x and their energies ``E(x)``.

    Raises:
        ValueError: If `hmc` raises one, or if the flow has ``z2`` and the energy is not even.

    Reference: arXiv:1802.02840.
    """
    if flow.z2 and not is_even(energy):
        raise ValueError(
            "got a flow with z2 for an energy whose E(-x) is not E(x), expected a flow without "
            "(flow.symmetry=none): its samples would get random signs"
        )
    latent = hmc(
        LatentTarget(energy, flow.bijector, flow.prior if flow.z2 else None),
        flow.prior.sample(chains, generator=generator),
        steps=steps,
        warmup=warmup,
        generator=generator,
        step_size=step_size,
        leapfrog_steps=leapfrog_steps,
        target_acceptance=target_acceptance,
        thin=thin,
    )
    samples = torch.stack([flow.bijector.inverse(z)[0] for z in latent.samples])
    if flow.z2:
        shape = (*samples.shape[:2], *[1] * len(flow.event_shape))
        positive = torch.rand(shape, generator=generator, device=samples.device) < 0.5
        samples = torch.where(positive, samples, -samples)
    energies = torch.stack([energy.energy(x).double() for x in samples])
    return latent._replace(samples=samples, energies=energies)
