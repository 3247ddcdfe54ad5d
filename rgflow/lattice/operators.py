"""Operators on a periodic lattice that commute with its translations; fields are ``(..., H, W)``.

Every site has four neighbours with wrap-around: on a side of 2 the same neighbour counts twice
(a double bond), on a side of 1 a site is its own neighbour. A spectrum has a real number for every
Fourier mode, the same at k and -k, in the layout of ``torch.fft.fft2``; its *half* has the modes
that ``torch.fft.rfft2`` gives.
"""

import math

import torch
from torch import Tensor


def khat_squared(height: int, width: int) -> Tensor:
    """Eigenvalues ``sum_mu 4 sin^2(k_mu / 2)`` of minus the lattice Laplacian, ``(H, W)`` float64.

    Those of the adjacency matrix are ``4 - khat^2``.

    >>> khat_squared(2, 2).tolist()
    [[0.0, 4.0], [4.0, 8.0]]
    """
    rows, columns = (
        4 * torch.sin(math.pi * torch.arange(side, dtype=torch.float64) / side).square()
        for side in (height, width)
    )
    return rows[:, None] + columns[None, :]


def forward_neighbours(x: Tensor) -> tuple[Tensor, Tensor]:
    """The field in the next row and in the next column: taken at every site, each bond once."""
    return x.roll(-1, -2), x.roll(-1, -1)


def bond_sum(x: Tensor) -> Tensor:
    """``sum_<ij> x_i x_j`` with every bond once, ``(..., H, W) -> (...)``, in float64.

    Small integers, such as spins in int8, are multiplied in int32, where they do not wrap around.

    >>> bond_sum(torch.ones(2, 3)).item()
    12.0
    """
    x = x if x.is_floating_point() else x.int()
    down, right = forward_neighbours(x)
    return (x * (down + right)).sum((-2, -1), dtype=torch.float64)


def neighbour_sum(x: Tensor) -> Tensor:
    """Sum over the four neighbours of every site.

    >>> neighbour_sum(torch.ones(1, 2, 2)).unique().item()
    4.0
    """
    return x.roll(1, -2) + x.roll(-1, -2) + x.roll(1, -1) + x.roll(-1, -1)


def gradient_squared(x: Tensor) -> Tensor:
    """``sum_mu (x_{n+mu} - x_n)^2`` at every site n."""
    down, right = forward_neighbours(x)
    return (down - x).square() + (right - x).square()


def half(spectrum: Tensor) -> Tensor:
    """The modes of a spectrum that the transform of a real field has, ``(..., H, W // 2 + 1)``."""
    return spectrum[..., : spectrum.shape[-1] // 2 + 1]


def multiply_modes(x: Tensor, factors: Tensor) -> Tensor:
    """Multiplies every Fourier mode of real fields, in O(N log N).

    Args:
        x: ``(..., H, W)``.
        factors: Half of a spectrum, ``(H, W // 2 + 1)``; it is cast to the type and device of x.

    Returns:
        Fields like x.
    """
    wide = _transformable(x)
    return torch.fft.irfft2(torch.fft.rfft2(wide) * factors.to(wide), s=x.shape[-2:]).to(x.dtype)


def _transformable(x: Tensor) -> Tensor:
    """x in single precision at least, since Fourier transforms have no half precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def parseval_weights(spectrum: Tensor) -> Tensor:
    """Half of a spectrum, weighted by how often each of its modes occurs in the whole spectrum."""
    width = spectrum.shape[-1]
    weights = half(spectrum).clone()
    weights[..., 1 : (width + 1) // 2] *= 2  # k and -k; 0 and pi are their own partners
    return weights


def quadratic_form(x: Tensor, weights: Tensor) -> Tensor:
    """``sum_k |x_k|^2 lambda_k / N = x^T A x`` for the circulant A of eigenvalues lambda.

    Args:
        x: ``(..., H, W)``.
        weights: `parseval_weights` of the eigenvalues; they are cast to the type and device of x.

    Returns:
        One number for each field, ``(...)``.
    """
    wide = _transformable(x)
    modes = torch.view_as_real(torch.fft.rfft2(wide, norm="ortho"))
    return (modes.square().sum(-1) * weights.to(wide)).sum((-2, -1)).to(x.dtype)


def gaussian_log_z(covariance: Tensor) -> float:
    """``ln Z = 1/2 sum_k ln(2 pi lambda_k)`` of a Gaussian law with covariance lambda by mode."""
    return 0.5 * (2 * math.pi * covariance).log().sum().item()
