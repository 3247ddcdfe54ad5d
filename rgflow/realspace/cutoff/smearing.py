"""Wilson's cut-off in momentum space and Kadanoff's smearing in real space, which agree."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Filter = Callable[[Tensor], Tensor]
"""Cut-off ``eta(|k| / Lambda)``, an elementwise function of tensors."""


def momentum(height: int, width: int, like: Tensor) -> Tensor:
    """Modulus ``|k|`` of the wave vectors of a periodic lattice.

    Args:
        height: Number of rows H.
        width: Number of columns W.
        like: Tensor whose dtype and device the result takes.

    Returns:
        ``(H, W)``, radians per site, in the order of ``torch.fft.fftfreq``.
    """
    options = {"dtype": like.dtype, "device": like.device}
    rows, columns = (2 * math.pi * torch.fft.fftfreq(n, **options) for n in (height, width))
    return torch.hypot(rows[:, None], columns)


def wilson(field: Tensor, eta: Filter, cutoff: float) -> Tensor:
    r"""Wilson's cut-off of the Fourier modes, ``phi(k) -> eta(|k| / Lambda) phi(k)``.

    Args:
        field: Real field on a periodic lattice, ``(..., H, W)``.
        eta: Cut-off function, for example ``lambda x: torch.exp(-x * x)``.
        cutoff: Momentum scale Lambda > 0, radians per site.

    Raises:
        ValueError: If the field has fewer than two dimensions or is not of floats, or if Lambda is
            not positive and finite.
    """
    height, width = _lattice_sides(field)
    return torch.fft.ifft2(
        torch.fft.fft2(field) * _response(height, width, eta, cutoff, field)
    ).real


def kadanoff(field: Tensor, eta: Filter, cutoff: float) -> Tensor:
    r"""Kadanoff's smearing in real space, ``phi(r) -> sum_r' eta~(r - r') phi(r')``.

    The kernel ``eta~`` is the Fourier transform of the cut-off. The sum over r' is done in real
    space, as a check of `wilson`, and takes ``(H W)^2`` products.

    Args:
        field: Real field on a periodic lattice, ``(..., H, W)``.
        eta: Cut-off function, as of `wilson`.
        cutoff: Momentum scale Lambda > 0, radians per site.

    Raises:
        ValueError: If the field has fewer than two dimensions or is not of floats, or if Lambda is
            not positive and finite.
    """
    height, width = _lattice_sides(field)
    kernel = smearing_kernel(height, width, eta, cutoff, field)
    rows = torch.arange(height, device=field.device)
    columns = torch.arange(width, device=field.device)
    row_offset = (rows[:, None] - rows) % height
    column_offset = (columns[:, None] - columns) % width
    smear = kernel[row_offset[:, None, :, None], column_offset[None, :, None, :]]  # (H, W, H, W)
    return torch.einsum("hwij,...ij->...hw", smear, field)


def smearing_kernel(height: int, width: int, eta: Filter, cutoff: float, like: Tensor) -> Tensor:
    """Kadanoff's kernel ``eta~(r)``, whose sum over all r is eta(0).

    Args:
        height: Number of rows H.
        width: Number of columns W.
        eta: Cut-off function, as of `wilson`.
        cutoff: Momentum scale Lambda > 0, radians per site.
        like: Tensor whose dtype and device the kernel takes.

    Returns:
        ``(H, W)``, with r = 0 at the entry ``[0, 0]``.

    Raises:
        ValueError: If Lambda is not positive and finite.
    """
    return torch.fft.ifft2(_response(height, width, eta, cutoff, like)).real


def _lattice_sides(field: Tensor) -> tuple[int, int]:
    if field.dim() < 2 or not field.is_floating_point():
        raise ValueError(
            f"got a field of shape {tuple(field.shape)} and type {field.dtype}, expected "
            "(..., H, W) of floats"
        )
    return field.shape[-2], field.shape[-1]


def _response(height: int, width: int, eta: Filter, cutoff: float, like: Tensor) -> Tensor:
    """Cut-off factor of every Fourier mode, ``(H, W)``."""
    if not 0 < cutoff < math.inf:
        raise ValueError(f"got the cut-off {cutoff}, expected a finite number > 0")
    return eta(momentum(height, width, like) / cutoff)
