"""Exact answers for the free field and other Gaussian laws on periodic lattices, in float64."""

import torch
from torch import Tensor

from rgflow.energies.parameters import check_lattice, check_positive
from rgflow.lattice.operators import gaussian_log_z, khat_squared
from rgflow.runtime.counts import takes_counts


@takes_counts
def free_field_spectrum(height: int, width: int, m2: float) -> Tensor:
    """Covariance ``1 / (2 m2 + 2 khat^2)`` by mode of `GaussianField`'s action, ``(H, W)``.

    Args:
        height: Rows, at least 1.
        width: Columns, at least 1.
        m2: Mass squared in lattice units, positive.

    Raises:
        ValueError: If the lattice is empty or the mass squared is not positive and finite.
    """
    check_lattice(height, width)
    check_positive(m2=m2)
    return 0.5 / (m2 + khat_squared(height, width))


@takes_counts
def free_field_log_z(height: int, width: int, m2: float) -> float:
    """``ln Z = N/2 ln(2 pi) - 1/2 sum_k ln(2 m2 + 2 khat^2)`` of `GaussianField`'s action.

    Arguments and errors are those of `free_field_spectrum`.
    """
    return gaussian_log_z(free_field_spectrum(height, width, m2))


@takes_counts
def free_field_two_point(height: int, width: int, m2: float) -> Tensor:
    """``G(r) = <phi_x phi_{x+r}>`` of `GaussianField`'s action, ``(H, W)`` float64.

    Arguments and errors are those of `free_field_spectrum`.

    >>> free_field_two_point(4, 4, 0.2).sum().item()  # G(k = 0) = 1 / (2 m2)
    2.5
    """
    return torch.fft.ifft2(free_field_spectrum(height, width, m2)).real


def gaussian_observables(spectrum: Tensor, channels: int) -> dict[str, float]:
    """Exact rows of a report on independent Gaussian channels.

    ``<m^2> = C S(0) / N``. The energy is half a sum of squares of ``N C`` independent normal
    numbers, so that its mean and its variance per site are both ``C / 2``.

    Args:
        spectrum: Covariance S by mode, ``(H, W)``.
        channels: C.
    """
    return {
        "m2": channels * float(spectrum[0, 0]) / spectrum.numel(),
        "energy_per_site": channels / 2,
        "specific_heat": channels / 2,
    }


def gaussian_two_point(spectrum: Tensor, channels: int) -> Tensor:
    """``G(r)`` along an axis for r = 0 to L/2, summed over the channels, ``(L // 2 + 1,)``.

    Args:
        spectrum: Covariance by mode, ``(L, L)``, with the symmetries of the square.
        channels: C.
    """
    count = spectrum.shape[-1] // 2 + 1
    return channels * torch.fft.ifft2(spectrum).real[0, :count]
