"""Exact answers for the rows of a report, where they are known."""

import math

import torch
from torch import Tensor

from rgflow.energies import ComplexPhi4, Energy, GaussianField, Ising, Phi4
from rgflow.energies.exact import ising_energy, ising_m2, ising_specific_heat

LARGEST_SIDE_FOR_M2 = 8
"""Of the Ising model; its transfer matrix takes seconds above."""


def exact_observables(energy: Energy) -> dict[str, float]:
    """Exact values, by the names of `rgflow.reports.energy_report`; none where none is known.

    For `Ising`, of its spins, ``energy_per_site`` and ``specific_heat`` at any size and ``m2`` up
    to side 8; for free fields all three.

    >>> exact_observables(GaussianField(side=4, m2=0.5))
    {'m2': 0.0625, 'energy_per_site': 0.5, 'specific_heat': 0.5}
    """
    side = energy.event_shape[-1]
    if isinstance(energy, Ising):
        coupling = energy.coupling
        rows = {"m2": ising_m2(side, coupling)} if side <= LARGEST_SIDE_FOR_M2 else {}
        return rows | {
            "energy_per_site": coupling * ising_energy(side, side, coupling),
            "specific_heat": ising_specific_heat(side, side, coupling),
        }
    spectrum = _free_spectrum(energy)
    if spectrum is None:
        return {}
    channels = energy.event_shape[0]
    # E is half a sum of squares of independent normal numbers
    return {
        "m2": channels * float(spectrum[0, 0]) / side**2,
        "energy_per_site": channels / 2,
        "specific_heat": channels / 2,
    }


def exact_two_point(energy: Energy) -> Tensor | None:
    """``G(r)`` along an axis for r = 0 to L/2, ``(L // 2 + 1,)``; None unless the field is free.

    >>> exact_two_point(GaussianField(side=4, m2=0.5)).shape
    torch.Size([3])
    """
    spectrum = _free_spectrum(energy)
    if spectrum is None:
        return None
    count = energy.event_shape[-1] // 2 + 1
    return energy.event_shape[0] * torch.fft.ifft2(spectrum).real[0, :count]


def sigmas(value: float, error: float, exact: float) -> float | None:
    """How many standard errors a value is off; None where the error is zero or one is NaN."""
    return (value - exact) / error if math.isfinite(value) and 0 < error < math.inf else None


def _free_spectrum(energy: Energy) -> Tensor | None:
    """Covariance by mode of each channel, None where the law is not Gaussian."""
    free = isinstance(energy, GaussianField)
    free |= isinstance(energy, Phi4 | ComplexPhi4) and energy.lam == 0
    return energy.spectrum if free else None
