"""The baseline: multi-scale Real NVP."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from rgflow.bijectors import RealNVP
from rgflow.bijectors.memory import Memory
from rgflow.conditioners.lattice import ConvNet
from rgflow.flow import Flow
from rgflow.models.parts import check_kernels, coupling_factory, finished_flow


def realnvp_flow(
    side: int,
    channels: int = 3,
    scales: int = 3,
    couplings: int = 3,
    hidden: int = 64,
    kernels: Sequence[int] = (3, 1, 3),
    nonlinearity: str = "silu",
    scale_bound: float = 2.0,
    prior: str = "gaussian",
    pixels: bool = False,
    memory: Memory = "store",
) -> Flow:
    """Multi-scale Real NVP with the same convolutional conditioners, as a baseline.

    Args:
        side: L, divisible by ``2**scales``.
        channels: C.
        scales: Number of scales.
        couplings: Checkerboard and channel couplings per scale, each so many.
        hidden: Channels inside the conditioners.
        kernels: Kernel sides of the conditioners.
        nonlinearity: Activation in the conditioners.
        scale_bound: Bound on the log-scale.
        prior: ``"laplace"`` or ``"gaussian"``.
        pixels: Whether the flow starts with the pixel map.
        memory: See ``Chain``.

    Raises:
        ValueError: If the side cannot be squeezed ``scales`` times.

    Reference: arXiv:1605.08803.
    """

    def net(inputs: int, outputs: int, _: tuple[int, ...]) -> nn.Module:
        return ConvNet(inputs, outputs, hidden, kernels, nonlinearity)

    make = coupling_factory(net, "affine", scale_bound, bins=0)
    core = RealNVP(channels, side, make, scales, couplings, memory)
    check_kernels(kernels, side >> scales)
    return finished_flow(core, prior, pixels, "none", "none")
