"""The multi-scale Real NVP, a baseline without places: squeeze, couple, emit half the channels."""

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
    """A coupling between the first and the second half of the channels.

    Args:
        event_shape: ``(C, H, W)`` with even C.
        reads: Which half is read.
        make_coupling: Called with the halves' channels, their lattice and ``reads``.
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

    At every scale: checkerboard couplings, squeeze (2 x 2 sites become 4 channels), channel
    couplings, then half of the channels are emitted; the last scale has checkerboard couplings
    only. The checkerboard couplings work on the squeezed tensor, where their halves are compact.
    Latents are put back where their channels unsqueeze to, so that z has the shape of x; they
    have no place in a hierarchy.

    Args:
        channels: C.
        side: L, divisible by ``2**scales``.
        make_coupling: Makes one coupling from the halves' channels, their lattice and the half
            read.
        scales: Number of scales.
        couplings: Checkerboard couplings and channel couplings per scale, each so many.
        memory: See ``Chain``.

    Raises:
        ValueError: If L cannot be squeezed ``scales`` times.

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
            raise ValueError(f"a side of {side} cannot be squeezed {scales} times")
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
