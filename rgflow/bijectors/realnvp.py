"""The multi-scale Real NVP, a baseline whose latents have no place in a hierarchy."""

from __future__ import annotations

import torch
from torch import Tensor

from rgflow.bijectors.affine import ElementwiseAffine
from rgflow.bijectors.base import Bijector
from rgflow.bijectors.chain import Chain
from rgflow.bijectors.memory import Memory
from rgflow.bijectors.polyphase import (
    CouplingFactory,
    PolyphaseCoupling,
    stack_phases,
    unstack_phases,
)
from rgflow.runtime.counts import takes_counts


class ChannelCoupling(Bijector):
    """A coupling between the first half of the channels and the second.

    Args:
        event_shape: ``(C, H, W)`` with even C.
        reads: Index of the half that is read.
        make_coupling: Makes the coupling from the channels of the halves, their lattice, and
            ``reads``.
    """

    @takes_counts
    def __init__(
        self, event_shape: tuple[int, int, int], reads: int, make_coupling: CouplingFactory
    ) -> None:
        super().__init__(event_shape)
        half = event_shape[0] // 2
        self.coupling = make_coupling((half, event_shape[0] - half), event_shape[1:], reads)

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        halves, log_det = self.coupling(x.chunk(2, 1))
        return torch.cat(halves, 1), log_det

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        halves, log_det = self.coupling.inverse(z.chunk(2, 1))
        return torch.cat(halves, 1), log_det


class RealNVP(Bijector):
    """Multi-scale Real NVP, for comparison with the MERA.

    Every scale has checkerboard couplings, a squeeze (2 x 2 sites become 4 channels), and channel
    couplings, and then emits half of the channels; the last scale has checkerboard couplings
    only. These are computed on the squeezed tensor, where their halves are slices. Emitted
    channels are unsqueezed again, so that z has the shape of x.

    Args:
        channels: C.
        side: L, divisible by ``2**scales``.
        make_coupling: Makes one coupling from the channels of the halves, their lattice, and the
            index of the half that is read.
        scales: Number of scales.
        couplings: Number of checkerboard couplings, and of channel couplings, in each scale; the
            last scale has one checkerboard coupling more.
        memory: See ``Chain``.

    Raises:
        ValueError: If L cannot be squeezed ``scales`` times, or there is no coupling.

    Reference: arXiv:1605.08803.
    """

    @takes_counts
    def __init__(
        self,
        channels: int,
        side: int,
        make_coupling: CouplingFactory,
        scales: int = 3,
        couplings: int = 3,
        memory: Memory = "store",
    ) -> None:
        super().__init__((channels, side, side))
        if scales < 1 or side % 2**scales:
            raise ValueError(
                f"side: got {side} and {scales} scales, expected one scale or more and a multiple "
                f"of {2 ** max(0, scales)}"
            )
        if couplings < 1:
            raise ValueError(f"got {couplings} couplings a scale, expected at least one")
        self.scales = scales
        for scale in range(scales):
            side //= 2
            shape = (4 * channels, side, side)
            last = scale == scales - 1
            layers: list[Bijector] = []
            for i in range(couplings + last):
                layers.append(
                    PolyphaseCoupling(channels, side, "checkerboard", i % 2, make_coupling)
                )
                layers.append(ElementwiseAffine(shape))
            for i in range(0 if last else couplings):
                layers.append(ChannelCoupling(shape, i % 2, make_coupling))
                layers.append(ElementwiseAffine(shape))
            self.add_module(f"scale{scale}", Chain(layers, memory))
            channels *= 2

    @property
    def scale_of_site(self) -> Tensor:
        """The scale that emits the latents of each site, ``(L, L)``; 0 is the finest.

        A scale emits half of its channels. Unsqueezed again, they stand at the sites of its
        lattice with ``(row + column) % 2 == 1``; the last scale emits all that is left.
        """
        index = torch.arange(self.event_shape[-1])
        scale = torch.full((len(index), len(index)), self.scales - 1)
        for s in reversed(range(self.scales - 1)):
            row, column = index[:, None] >> s, index >> s
            scale = torch.where((row + column) % 2 == 1, s, scale)
        return scale

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        emitted, log_dets = [], []
        for scale in range(self.scales):
            x, log_det = self.get_submodule(f"scale{scale}")(stack_phases(x))
            log_dets.append(log_det)
            if scale < self.scales - 1:
                x, rest = x.chunk(2, 1)
                emitted.append(rest)
        z = unstack_phases(x)
        for rest in reversed(emitted):
            z = unstack_phases(torch.cat((z, rest), 1))
        return z, torch.stack(log_dets).sum(0)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        emitted, log_dets = [], []
        for _ in range(self.scales - 1):
            z, rest = stack_phases(z).chunk(2, 1)
            emitted.append(rest)
        x = stack_phases(z)
        for scale in reversed(range(self.scales)):
            if scale < self.scales - 1:
                x = torch.cat((x, emitted[scale]), 1)
            x, log_det = self.get_submodule(f"scale{scale}").inverse(x)
            log_dets.append(log_det)
            x = unstack_phases(x)
        return x, torch.stack(log_dets).sum(0)
