"""Hamiltonian Monte Carlo in the latent space of a flow."""

import torch
from torch import Tensor

from rgflow.bijectors.base import Bijector
from rgflow.energies.symmetries import is_even
from rgflow.flow import Flow
from rgflow.montecarlo.hmc import HMCChains, hmc
from rgflow.montecarlo.target import Target


class LatentTarget:
    r"""The pullback of a target through ``x = g(z)``: ``U(z) = E(g(z)) - log|det dg/dz|``.

    If z has the law ``exp(-U)``, then g(z) has exactly the law ``exp(-E)``, for any bijector.

    Args:
        target: The law of x.
        bijector: Its inverse is g.

    Raises:
        ValueError: If their event shapes differ.
    """

    def __init__(self, target: Target, bijector: Bijector) -> None:
        if tuple(target.event_shape) != tuple(bijector.event_shape):
            raise ValueError(
                f"the energy acts on {tuple(target.event_shape)}, "
                f"the bijector on {tuple(bijector.event_shape)}"
            )
        self.target = target
        self.bijector = bijector
        self.event_shape = tuple(target.event_shape)

    def energy(self, z: Tensor) -> Tensor:
        """``U(z)``, ``(B,)``."""
        x, log_det = self.bijector.inverse(z)
        return self.target.energy(x) - log_det

    def force(self, z: Tensor) -> Tensor:
        """``-grad U(z)``, by automatic differentiation."""
        with torch.inference_mode(False), torch.enable_grad():
            z = z.detach().clone().requires_grad_()
            return torch.autograd.grad(-self.energy(z).sum(), z)[0]


@torch.no_grad()
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

    The latent energy is ``U(z) = E(g(z)) - log|det dg/dz|`` with g the inverse of the flow's
    bijector. The prior does not enter, hence the samples have exactly the law ``exp(-E) / Z``
    whatever the flow's density. Samples of a flow with ``z2``, which is for even energies, get a
    random sign: its bijector may know one of two phases only.

    Args:
        flow: Its weights are left as they are; its prior only draws the starts.
        energy: The target, differentiable by autograd.
        chains: B.
        steps: See `hmc`, as the arguments below.
        warmup: Trajectories before, in which the step size is tuned.
        generator: Source of all randomness, on the flow's device.
        step_size: Where the tuning starts.
        leapfrog_steps: Mean number of leapfrog steps of a trajectory.
        target_acceptance: Of the tuning.
        thin: Every ``thin``-th state is kept.

    Returns:
        Samples x and their energies ``E(x)``.

    Raises:
        ValueError: See `hmc`; or if the flow has ``z2`` and the energy is not even.

    Reference: arXiv:1802.02840.
    """
    if flow.z2 and not is_even(energy):
        raise ValueError(
            "got a flow with z2 for an energy whose E(-x) is not E(x), expected a flow without "
            "(flow.symmetry=none): its samples would get random signs"
        )
    latent = hmc(
        LatentTarget(energy, flow.bijector),
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
