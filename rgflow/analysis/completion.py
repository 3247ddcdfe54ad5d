"""The law of an image's unknown pixels, given the known ones, as a flow has it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rgflow.bijectors import partial
from rgflow.bijectors.base import Bijector
from rgflow.bijectors.chain import Chain
from rgflow.bijectors.known import trace
from rgflow.energies.gradient import minus_gradient
from rgflow.flow import Flow


class PixelCompletion:
    r"""``q(x_unknown | x_known)`` up to a constant, ``q`` being the density of a flow.

    Its energy ``U(u) = -ln q_y(y)`` is a function of the unknown pixels alone, in the coordinates
    y that the maps of single sites in front of the levels make of x, the logits of images: there
    every number is allowed. The known pixels are held exactly. There may be several versions u of
    the unknown pixels of each image, one after another. Only the latents in the inference
    cone of the unknown pixels can change, and only the blocks of that cone are computed, if the
    flow can be computed in part; otherwise the whole of it is.

    Args:
        flow: The flow.
        x: Images or fields ``(B, C, L, L)``; what they have at unknown pixels does not matter to
            the law, but the latents of x have to be finite.
        unknown: ``(L, L)`` bool.
    """

    def __init__(self, flow: Flow, x: Tensor, unknown: Tensor) -> None:
        self._front, self._levels = _split_front(flow)
        self._prior, self._z2 = flow.prior, flow.z2
        self._sites = unknown.flatten().nonzero()[:, 0].to(x.device)
        self.event_shape = (x.shape[1], len(self._sites))
        with torch.no_grad():
            self._known, front_log_det = x, x.new_zeros(len(x))
            for part in self._front:
                self._known, log_det = part(self._known)
                front_log_det = front_log_det + log_det
            # that of the known pixels alone
            self._front_log_det = front_log_det + self._pixels(self.start())[1]
        self.evaluations = 0
        self._plan = self._traces = None
        if self._levels.layers_by_level is not None:
            self._plan = partial.encoding_plan(self._levels, unknown)
            signs = (1, -1) if flow.z2 else (1,)
            self._traces = [trace(self._levels, sign * self._known) for sign in signs]
            sites = self._plan.sites
            self._cone_prior = flow.prior.of_shape((x.shape[1], len(sites)))
            self._rest = [  # the log density of all latents outside of the cone
                flow.prior.log_prob(known.z)
                - self._cone_prior.log_prob(known.z.flatten(2)[..., sites])
                for known in self._traces
            ]

    @property
    def blocks(self) -> int | None:
        """Blocks that one evaluation computes; None where the flow is computed as a whole."""
        return None if self._plan is None else self._plan.blocks

    @property
    def all_blocks(self) -> int | None:
        """Blocks of the full map; None as for ``blocks``."""
        return None if self._plan is None else self._plan.all_blocks

    def start(self) -> Tensor:
        """The unknown pixels of x, in the coordinates of the energy, ``(B, C, n)``."""
        return self._known.flatten(2)[..., self._sites]

    def of_latents(self, z: Tensor) -> Tensor:
        """The unknown pixels of the picture of other latents, in these coordinates, ``(B, C, n)``.

        Args:
            z: ``(B, C, L, L)``.
        """
        return self._levels.inverse(z)[0].flatten(2)[..., self._sites]

    def latents(self, u: Tensor) -> Tensor:
        """The latents that the unknown pixels can change, ``(B, numbers)``."""
        if self._plan is None:
            return self._levels(self._pasted(self._known, u))[0].flatten(1)
        changed = partial.encode_inside(self._levels, u, self._traces[0], self._plan)
        return changed.values.flatten(1)

    def pixels(self, u: Tensor) -> Tensor:
        """The unknown pixels as they are in x, ``(B, C, n)``."""
        return self._pixels(u)[0]

    def log_prob(self, u: Tensor) -> Tensor:
        """``ln q(x)`` of the whole images, in nats, ``(B,)``: a density over x itself."""
        front = self._front_log_det.repeat_interleave(len(u) // len(self._known), 0)
        return front - self._pixels(u)[1] - self.energy(u)

    def energy(self, u: Tensor) -> Tensor:
        """``-ln q_y(y)``, ``(B, C, n) -> (B,)``."""
        self.evaluations += 1
        first, *mirrored = (
            self._log_density(sign * u, i) for i, sign in enumerate((1, -1)[: 1 + self._z2])
        )
        if mirrored:
            return math.log(2) - torch.logaddexp(first, mirrored[0])
        return -first

    def force(self, u: Tensor) -> Tensor:
        """``-grad U``, by automatic differentiation."""
        return minus_gradient(self.energy, u)

    def _log_density(self, u: Tensor, which: int) -> Tensor:
        """That of the flow without its mirror image, at u and the known pixels or minus them."""
        if self._plan is None:
            known = -self._known if which else self._known
            z, log_det = self._levels(self._pasted(known, u))
            return self._prior.log_prob(z) + log_det
        changed = partial.encode_inside(self._levels, u, self._traces[which], self._plan)
        rest = self._rest[which].repeat_interleave(len(u) // len(self._known), 0)
        return rest + self._cone_prior.log_prob(changed.values) + changed.log_det

    def _pasted(self, known: Tensor, u: Tensor) -> Tensor:
        known = known.repeat_interleave(len(u) // len(known), 0)
        return known.flatten(2).index_copy(2, self._sites, u).view_as(known)

    def _pixels(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Unknown pixels of x, ``(B, C, n)``, and the log_det of what the maps in front undo."""
        cells, total = u.permute(1, 2, 0)[:, None], u.new_zeros(len(u))  # (C, 1, n, B)
        for part in reversed(self._front):
            for layer in reversed(part.cell_layers or ()):
                cells, log_det = layer.map_cells(cells, self._sites[None], inverse=True)
                total = total + log_det.sum(0)
        return cells[:, 0].permute(2, 0, 1), total


class LatentCompletion:
    r"""The law of some latents of an image whose known pixels are held to a tolerance.

    ``U(z_S) = -ln p(z_S) + sum_known (x(z) - x_known)^2 / (2 tolerance^2)``, where the latents S
    may change and all others are those of the image. Every evaluation decodes the whole image, as
    coarse latents change all pixels. For a tolerance that goes to zero, this law differs from that
    of `PixelCompletion` by how strongly the latents that are left free move the known pixels.

    Args:
        flow: The flow.
        x: Images or fields ``(B, C, L, L)``.
        unknown: ``(L, L)`` bool.
        latents: ``(L, L)`` bool, the sites S of the latent layout.
        tolerance: Standard deviation to which known pixels are held, in the units of x.
    """

    def __init__(
        self, flow: Flow, x: Tensor, unknown: Tensor, latents: Tensor, tolerance: float
    ) -> None:
        self._flow, self._x, self._tolerance = flow, x, tolerance
        self._known = ~unknown.to(x.device)
        self._sites = latents.flatten().nonzero()[:, 0].to(x.device)
        with torch.no_grad():
            self._z = flow.encode(x)
        self.event_shape = (x.shape[1], len(self._sites))
        self._prior = flow.prior.of_shape(self.event_shape)
        self.evaluations = 0

    def start(self) -> Tensor:
        """The latents S of x, ``(B, C, n)``."""
        return self._z.flatten(2)[..., self._sites]

    def decoded(self, u: Tensor) -> Tensor:
        """The images with the latents u at S, ``(B, C, L, L)``, of which no pixel is held."""
        return self._flow.decode(self.latents(u))

    def latents(self, u: Tensor) -> Tensor:
        """All latents, ``(B, C, L, L)``, of which those at S are u."""
        z = self._z.repeat_interleave(len(u) // len(self._z), 0)
        return z.flatten(2).index_copy(2, self._sites, u).view_as(z)

    def drawn(self, count: int, generator: torch.Generator) -> Tensor:
        """Latents S from the prior, ``count`` for each image, ``(B, count, C, n)``."""
        z = self._flow.prior.sample(len(self._z) * count, 1.0, generator)
        return z.flatten(2)[..., self._sites].unflatten(0, (-1, count))

    def misfit(self, u: Tensor) -> Tensor:
        """``sum_known (x(z) - x_known)^2``, ``(B,)``."""
        x = self._x.repeat_interleave(len(u) // len(self._x), 0)
        return (self.decoded(u) - x)[..., self._known].square().flatten(1).sum(1)

    def energy(self, u: Tensor) -> Tensor:
        """U, ``(B, C, n) -> (B,)``."""
        self.evaluations += 1
        return self.misfit(u) / (2 * self._tolerance**2) - self._prior.log_prob(u)

    def force(self, u: Tensor) -> Tensor:
        """``-grad U``, by automatic differentiation."""
        return minus_gradient(self.energy, u)


def _split_front(flow: Flow) -> tuple[list[Bijector], Bijector]:
    """The maps of single sites in front, and the rest of a flow's bijector."""
    parts = list(flow.bijector.bijectors) if isinstance(flow.bijector, Chain) else []
    front: list[Bijector] = []
    while len(parts) > 1 and parts[0].reaches == () and parts[0].cell_layers and not flow.z2:
        front.append(parts.pop(0))
    if not front:
        return [], flow.bijector
    return front, parts[0] if len(parts) == 1 else Chain(parts)
