"""Wilson's cut-off in momentum space and Kadanoff's smearing in real space, on a torus."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Filter = Callable[[Tensor], Tensor]
"""Cut-off ``eta(|k| / Lambda)``, elementwise."""


def momentum(height: int, width: int, like: Tensor) -> Tensor:
    """Modulus of the wave vectors of a lattice, ``(height, width)``, radians per site."""
    options = {"dtype": like.dtype, "device": like.device}
    rows, columns = (2 * math.pi * torch.fft.fftfreq(n, **options) for n in (height, width))
    return torch.hypot(rows[:, None], columns)


def wilson(field: Tensor, eta: Filter, cutoff: float) -> Tensor:
    r"""Cut the Fourier modes, ``phi(k) -> eta(|k| / Lambda) phi(k)``.

    Args:
        field: Real, ``(..., H, W)``.
        eta: The cut-off, e.g. ``lambda x: torch.exp(-x * x)``.
        cutoff: Lambda > 0, radians per site.

    Raises:
        ValueError: If the field is not one of floats on a lattice, or the cut-off not positive.
    """
    height, width = _lattice(field)
    return torch.fft.ifft2(
        torch.fft.fft2(field) * _response(height, width, eta, cutoff, field)
    ).real


def kadanoff(field: Tensor, eta: Filter, cutoff: float) -> Tensor:
    r"""Smear over neighbours, ``phi(r) -> sum_r' eta~(r - r') phi(r')``, a sum over all sites.

    The kernel is the Fourier transform of eta; the sum itself is done site by site, without
    transforms, hence with ``(H W)^2`` products.

    Args:
        field: Real, ``(..., H, W)``.
        eta: The cut-off.
        cutoff: Lambda > 0, radians per site.

    Raises:
        ValueError: If the field is not one of floats on a lattice, or the cut-off not positive.
    """
    height, width = _lattice(field)
    kernel = smearing_kernel(height, width, eta, cutoff, field)
    rows = torch.arange(height, device=field.device)
    columns = torch.arange(width, device=field.device)
    row_offset = (rows[:, None] - rows) % height
    column_offset = (columns[:, None] - columns) % width
    smear = kernel[row_offset[:, None, :, None], column_offset[None, :, None, :]]  # (H, W, H, W)
    return torch.einsum("hwij,...ij->...hw", smear, field)


def smearing_kernel(height: int, width: int, eta: Filter, cutoff: float, like: Tensor) -> Tensor:
    """Kadanoff's weights ``eta~(r)``, ``(H, W)`` with r = 0 in the corner; they sum to eta(0)."""
    return torch.fft.ifft2(_response(height, width, eta, cutoff, like)).real


def _lattice(field: Tensor) -> tuple[int, int]:
    if field.dim() < 2 or not field.is_floating_point():
        raise ValueError(
            f"got a field of shape {tuple(field.shape)} and type {field.dtype}, expected "
            "(..., H, W) of floats"
        )
    return field.shape[-2], field.shape[-1]


def _response(height: int, width: int, eta: Filter, cutoff: float, like: Tensor) -> Tensor:
    if not 0 < cutoff < math.inf:
        raise ValueError(f"got the cut-off {cutoff}, expected a finite number > 0")
    return eta(momentum(height, width, like) / cutoff)
