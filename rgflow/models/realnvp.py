"""The baseline: multi-scale Real NVP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from rgflow.bijectors import RealNVP
from rgflow.bijectors.memory import Memory
from rgflow.conditioners.lattice import ConvNet
from rgflow.flow import Flow
from rgflow.models.parts import (
    CouplingKind,
    Outside,
    check_kernels,
    coupling_factory,
    finished_flow,
)
from rgflow.runtime.counts import takes_counts


@takes_counts
@dataclass(frozen=True)
class RealNVPLayers:
    """The scales of a Real NVP and the affine couplings on them.

    Attributes:
        scales: Number of scales.
        couplings: Number of checkerboard couplings per scale, and as many channel couplings.
        hidden: Number of channels inside the conditioners.
        kernels: Odd sides of the conditioners' kernels, layer by layer.
        nonlinearity: Activation in the conditioners.
        scale_bound: Largest absolute log-scale of a coupling, in nats.
    """

    scales: int = 3
    couplings: int = 3
    hidden: int = 64
    kernels: Sequence[int] = (3, 1, 3)
    nonlinearity: str = "silu"
    scale_bound: float = 2.0


@takes_counts
def realnvp_flow(
    side: int,
    channels: int = 3,
    layers: RealNVPLayers = RealNVPLayers(),
    prior: str = "gaussian",
    pixels: bool = False,
    memory: Memory = "store",
) -> Flow:
    """Multi-scale Real NVP with convolutional conditioners as those of the MERA, as a baseline.

    A configuration gives the settings of ``layers`` one by one, without the group.

    Args:
        side: Lattice side L, divisible by ``2**scales``.
        channels: Number C of components of the field at a site, or of colours.
        layers: The scales and their couplings.
        prior: ``"laplace"`` or ``"gaussian"``.
        pixels: Whether the flow is one of images and starts with `PixelLogit`.
        memory: What is kept for the gradient, see `Chain`.

    Raises:
        ValueError: If the side cannot be squeezed ``scales`` times.

    Reference: arXiv:1605.08803.

    >>> realnvp_flow(16, 1, RealNVPLayers(scales=2, hidden=8)).sample(2).shape
    torch.Size([2, 1, 16, 16])
    """

    def net(inputs: int, outputs: int, _: tuple[int, ...]) -> nn.Module:
        return ConvNet(inputs, outputs, layers.hidden, layers.kernels, layers.nonlinearity)

    make = coupling_factory(net, CouplingKind("affine", layers.scale_bound))
    levels = RealNVP(channels, side, make, layers.scales, layers.couplings, memory)
    check_kernels(layers.kernels, side >> layers.scales)
    return finished_flow(levels, Outside(prior, pixels))
