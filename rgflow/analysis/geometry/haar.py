"""The chain where all is exact: a free field through fixed Haar levels."""

from __future__ import annotations

import torch
from torch import Tensor

from rgflow.bijectors import MERA, CellMixing
from rgflow.flow import Flow
from rgflow.lattice.operators import half, khat_squared, multiply_modes
from rgflow.priors import Gaussian
from rgflow.runtime.counts import takes_counts


@takes_counts
def haar_flow(side: int, channels: int = 1, levels: int | None = None) -> Flow:
    """Haar levels down to a lattice of 2 x 2 sites: a fixed linear hierarchical map, in float64.

    Args:
        side: L, a power of two, at least 4.
        channels: C.
        levels: Number of levels, at most ``log2 L``, with which the last one has one cell of 2 x 2
            sites; one fewer if None.

    Raises:
        ValueError: For another side or number of levels.
    """
    if side < 4 or side & (side - 1):
        raise ValueError(f"side: got {side}, expected a power of two, at least 4")
    most = side.bit_length() - 1
    levels = most - 1 if levels is None else levels
    if not 1 <= levels <= most:
        raise ValueError(f"levels: got {levels}, expected 1 to {most}")
    sides = [side >> h for h in range(levels)]
    flow = Flow(
        MERA([CellMixing(channels, s, haar=True) for s in sides]), Gaussian((channels, side, side))
    )
    return flow.double().requires_grad_(False)


@takes_counts
def massless_spectrum(side: int, m2: float = 0.0) -> Tensor:
    """Covariance ``1 / (2 m2 + 2 khat^2)`` by mode, with the zero mode held if there is no mass.

    The zero mode of a massless field has no law. It is held at the width of the next mode: it is
    a constant on the lattice, to which all latents are blind but one, so that no information
    depends on it.

    Args:
        side: L.
        m2: Mass squared in lattice units, not negative.

    Returns:
        ``(L, L)`` float64, in the layout of ``torch.fft.fft2``.

    Raises:
        ValueError: If the mass squared is negative.
    """
    if not m2 >= 0:
        raise ValueError(f"m2: got {m2}, expected at least 0")
    denominator = 2 * (m2 + khat_squared(side, side))
    if m2 == 0:
        denominator[0, 0] = denominator[0, 1]
    return 1 / denominator


@takes_counts
def sample_spectrum(
    spectrum: Tensor, n: int, channels: int = 1, generator: torch.Generator | None = None
) -> Tensor:
    """Independent Gaussian fields of a given covariance by mode, ``(n, C, L, L)`` float64."""
    shape = (n, channels, *spectrum.shape)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    return multiply_modes(noise, half(spectrum).sqrt())


@torch.no_grad()
def latent_covariance(flow: Flow, spectrum: Tensor) -> Tensor:
    r"""Covariance ``W C W^T`` of the latents of a linear flow, for a Gaussian field.

    Args:
        flow: A flow of fields whose ``encode`` is linear, ``z = W x``, in float64.
        spectrum: Covariance by mode, ``(L, L)``, of independent channels.

    Returns:
        ``(C L L, C L L)`` float64.

    Raises:
        ValueError: If the flow is not linear or not in float64.
    """
    shape = tuple(flow.event_shape)
    size = shape[0] * shape[1] * shape[2]
    if flow.dtype != torch.float64:
        raise ValueError(f"got a flow in {flow.dtype}, expected float64: flow.double()")
    probe = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    probe = torch.cat((probe, probe[:1] - 2 * probe[1:2], 0 * probe[:1]))
    z = flow.encode(probe)
    if (z[3] - z[0] + 2 * z[1]).abs().max() > 1e-9 * z.abs().max() or z[4].abs().max() > 1e-12:
        raise ValueError("got a flow that is not linear, expected one such as haar_flow")
    unit = torch.eye(size, dtype=torch.float64).view(size, *shape)
    root = half(spectrum.double()).sqrt()
    # columns of W C^(1/2), where C^(1/2) is symmetric
    columns = torch.cat([flow.encode(multiply_modes(part, root)) for part in unit.split(512)])
    columns = columns.flatten(1)  # (source, latent)
    return columns.T @ columns
