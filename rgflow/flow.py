"""A flow: a bijector and a prior."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rgflow.bijectors import partial
from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cone_plan import ConePlan
from rgflow.bijectors.known import Trace, trace
from rgflow.bijectors.partial import ChangedSites
from rgflow.hierarchy import Hierarchy
from rgflow.lattice.square import square_images, turned_at_random
from rgflow.priors import Prior, Temperature
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.fields import check_field


class Flow(nn.Module):
    """The density ``log p(x) = log p_prior(z(x)) + log abs det dz/dx`` and its sampler.

    With ``z2`` the density is the exact mixture of this one and its mirror image,
    ``log q(x) = logsumexp(log p(x), log p(-x)) - ln 2``, and samples get a random sign: a field
    theory's symmetry under ``x -> -x`` holds whatever the bijector does, and two phases cost one
    (arXiv:1802.02840). With ``square`` it is the mean of this density over the eight rotations
    and mirror images of the lattice, and samples are turned at random. By convexity neither
    Kullback-Leibler divergence from a target with that symmetry is larger than that of a single
    image, which is what training minimises; a density takes eight times as long, a sample no
    longer. ``encode``, ``decode`` and the hierarchy are those of the bijector.

    Args:
        bijector: Maps data to latents.
        prior: Density of the latents, of the same event shape.
        z2: Whether the density is symmetrised under ``x -> -x``.
        square: Whether it is averaged over the symmetries of the square lattice.

    Attributes:
        one_image: The same flow before the average over the square; this one if there is none.

    Raises:
        ValueError: If the shapes differ, or the lattice is no square.

    >>> from rgflow.models import ConvLevels, conv_flow
    >>> flow = conv_flow(side=8, channels=1, levels=ConvLevels(couplings=2, hidden=8))
    >>> flow.sample(3).shape
    torch.Size([3, 1, 8, 8])
    >>> flow.hierarchy.latents_per_level
    (48, 16)
    """

    one_image: Flow

    def __init__(
        self, bijector: Bijector, prior: Prior, z2: bool = False, square: bool = False
    ) -> None:
        super().__init__()
        if tuple(bijector.event_shape) != prior.event_shape:
            raise ValueError(
                f"prior: got events {prior.event_shape}, expected {tuple(bijector.event_shape)} "
                "as the bijector"
            )
        if square and prior.event_shape[-2] != prior.event_shape[-1]:
            raise ValueError(f"square: got events {prior.event_shape}, expected a square lattice")
        self.bijector = bijector
        self.prior = prior
        self.z2 = z2
        self.square = square
        # no submodule, as its weights are those of this flow
        self.__dict__["one_image"] = Flow(bijector, prior, z2) if square else self

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one sample without the batch axis."""
        return self.prior.event_shape

    @property
    def device(self) -> torch.device:
        """The device on which the flow computes."""
        return self.prior.anchor.device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of the flow's numbers."""
        return self.prior.anchor.dtype

    @property
    def hierarchy(self) -> Hierarchy | None:
        """Scales and cones of the latents; None where they have no place, as in Real NVP."""
        return self.bijector.hierarchy

    def known_hierarchy(self) -> Hierarchy:
        """The hierarchy, for callers that need one.

        Raises:
            ValueError: If the flow has none.
        """
        if self.hierarchy is None:
            raise ValueError(
                "the flow has no levels, expected a MERA without a Fourier map in front: only "
                "its latents have a place and a scale"
            )
        return self.hierarchy

    def forward(self, x: Tensor, by_sign: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Same as ``log_prob``, or as `by_sign`; what is compiled or wrapped is this call."""
        return self.by_sign(x) if by_sign else self.log_prob(x)

    def by_sign(self, x: Tensor, temperature: Temperature = 1.0) -> tuple[Tensor, Tensor]:
        """Latents ``(S, B, *event_shape)`` and log densities ``(S, B)`` of one image, by its sign.

        With ``z2`` S is 2, for x and -x, and the mean of both densities is that of the image.
        """
        self._check_type(x)
        signs = (x, -x) if self.z2 else (x,)
        z, log_det = self.bijector(torch.cat(signs))
        log_prob = self.prior.log_prob(z, temperature) + log_det
        return z.unflatten(0, (len(signs), -1)), log_prob.view(len(signs), -1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log density in nats, ``(B, *event_shape) -> (B,)``.

        Raises:
            ValueError: For another shape or another floating-point type than the weights'.
        """
        self._check_type(x)
        if not self.square:
            return self._both_signs(x, 1.0)
        return _mean_density([self._both_signs(image, 1.0) for image in square_images(x)])

    def encode(self, x: Tensor) -> Tensor:
        """Renormalization ``x -> z``; ``flow.bijector(x)`` gives the log_det too."""
        self._check_type(x)
        return self.bijector(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        """Generation ``z -> x``; ``flow.bijector.inverse(z)`` gives the log_det too."""
        self._check_type(z)
        return self.bijector.inverse(z)[0]

    def trace(self, x: Tensor) -> Trace:
        """A known image with all that the flow makes of it, for partial maps, see `Trace`."""
        self._check_type(x)
        return trace(self.bijector, x)

    def encode_inside(self, x: Tensor, known: Trace, pixels: Tensor | ConePlan) -> ChangedSites:
        """The latents that change with some pixels, see `partial.encode_inside`."""
        return partial.encode_inside(self.bijector, x, known, pixels)

    def decode_inside(
        self, z: Tensor, known: Trace, latents: Tensor | ConePlan, pixels: Tensor | None = None
    ) -> ChangedSites:
        """The pixels that change with some latents, see `partial.decode_inside`."""
        return partial.decode_inside(self.bijector, z, known, latents, pixels)

    @takes_counts
    def sample(
        self,
        n: int,
        temperature: float | Sequence[float] = 1.0,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draws ``(n, *event_shape)``; differentiable in the flow's weights.

        Args:
            n: Number of samples.
            temperature: Factor on the prior's standard deviation, or one factor per level.
            generator: Source of the random numbers, on the flow's device; the global one if None.

        Raises:
            ValueError: If n is not positive, a temperature is negative, or there is not one for
                each level.
        """
        by_site = self._by_site(n, temperature)
        x, _ = self.bijector.inverse(self.prior.sample(n, by_site, generator))
        x = self._random_sign(x, generator)
        return turned_at_random(x, generator) if self.square else x

    @takes_counts
    def sample_and_log_prob(
        self,
        n: int,
        temperature: float | Sequence[float] = 1.0,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Samples ``(n, *event_shape)`` and their log density at that temperature ``(n,)``.

        The arguments are those of `sample`.
        """
        by_site = self._by_site(n, temperature)
        z = self.prior.sample(n, by_site, generator)
        x, log_det = self.bijector.inverse(z)
        log_prob = self.prior.log_prob(z, by_site) - log_det
        if self.z2:
            log_prob = _mean_density([log_prob, self._component(-x, by_site)])
        x = self._random_sign(x, generator)
        if not self.square:
            return x, log_prob
        _, *others = square_images(x)
        log_prob = _mean_density([log_prob, *(self._both_signs(o, by_site) for o in others)])
        return turned_at_random(x, generator), log_prob

    def _check_type(self, event: Tensor) -> None:
        """Refuse numbers of another type than the weights, which end in obscure errors."""
        check_field(event, "the flow")
        weight = next(self.parameters(), None)
        if weight is not None and event.dtype != weight.dtype:
            raise ValueError(f"got {event.dtype}, expected {weight.dtype} as the flow's weights")

    def _component(self, x: Tensor, temperature: Temperature) -> Tensor:
        z, log_det = self.bijector(x)
        return self.prior.log_prob(z, temperature) + log_det

    def _both_signs(self, x: Tensor, temperature: Temperature) -> Tensor:
        """The density of one image of the lattice."""
        return _mean_density(self.by_sign(x, temperature)[1])

    def _random_sign(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        if not self.z2:
            return x
        uniform = torch.rand(len(x), generator=generator, device=x.device, dtype=x.dtype)
        return x * torch.where(uniform < 0.5, -1.0, 1.0).to(x).view(-1, *[1] * (x.dim() - 1))

    def _by_site(self, n: int, temperature: float | Sequence[float]) -> Temperature:
        """The temperature of each latent."""
        if n < 1:
            raise ValueError(f"n: got {n}, the number of samples must be a positive integer")
        values = torch.as_tensor(temperature)
        return (
            float(values)
            if values.dim() == 0
            else self.known_hierarchy().per_site(values.tolist())
        )


def _mean_density(log_probs: Tensor | Sequence[Tensor]) -> Tensor:
    """The logarithm of the mean of densities, one after another."""
    return torch.stack(tuple(log_probs)).logsumexp(0) - math.log(len(log_probs))
