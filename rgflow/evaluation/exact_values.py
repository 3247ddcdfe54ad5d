"""Exact answers for the rows of a report, where they are known."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from rgflow.energies import ComplexPhi4, Energy, GaussianField, Ising, Phi4
from rgflow.energies.exact import ising_energy, ising_m2, ising_specific_heat
from rgflow.energies.transfer_matrix import DENSE_SIDE, LARGEST_SIDE, LEAST_COUPLING

# of the same model in the two tables of a report; above side 8 its transfer matrix takes seconds
_ising_m2 = lru_cache(ising_m2)


def exact_observables(energy: Energy) -> dict[str, float]:
    """Exact values, by the names of `energy_report`; none where none is known.

    For `Ising`, of its spins, ``energy_per_site`` and ``specific_heat`` at any size and ``m2`` up
    to side 16, where it takes seconds (up to side 8 if J < 0.1); for free fields all three.

    >>> exact_observables(GaussianField(side=4, m2=0.5))
    {'m2': 0.0625, 'energy_per_site': 0.5, 'specific_heat': 0.5}
    """
    side = energy.event_shape[-1]
    if isinstance(energy, Ising):
        coupling = energy.coupling
        known = side <= DENSE_SIDE or (side <= LARGEST_SIDE and coupling >= LEAST_COUPLING)
        rows = {"m2": _ising_m2(side, coupling)} if known else {}
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
