"""How far pixels respond, level by level, and the power law of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rgflow.analysis.receptive_fields import ReceptiveFields

NEARLY_EVEN = 0.85
"""Share of the radius of an even picture, from which on the torus cuts a picture off."""


class LevelRadii(NamedTuple):
    """Radii in sites, and their standard errors, both ``(H,)``, fine to coarse."""

    radius: Tensor
    error: Tensor


class PowerLaw(NamedTuple):
    """The fit ``radius = amplitude * 2**(exponent * h)``.

    Attributes:
        amplitude: In sites.
        amplitude_error: Its standard error.
        exponent: 1 where each level doubles the radius.
        exponent_error: Its standard error.
        chi2: Sum of the squared deviations of ln radius over their errors.
        levels: The levels that were fitted.
    """

    amplitude: float
    amplitude_error: float
    exponent: float
    exponent_error: float
    chi2: float
    levels: tuple[int, ...]


def picture_radius(pictures: Tensor) -> Tensor:
    r"""The root of the second moment about the centre of mass, on the torus.

    ``r^2 = sum_s w(s) |s - c|^2 / sum_s w(s)``, where ``s - c`` is the shortest way around the
    torus and c, axis by axis, is the angle of ``sum_s w(s) exp(2 pi i s / L)``. An even picture
    has ``r = L / sqrt 6`` for large L.

    Args:
        pictures: Weights that are not negative, ``(..., L, L)``.

    Returns:
        Radii in sites, ``(...)``; NaN for a picture without any weight.
    """
    side = pictures.shape[-1]
    total = pictures.double().sum((-2, -1))
    moments = torch.zeros_like(total)
    index = torch.arange(side, dtype=torch.float64, device=pictures.device)
    for axis in (-2, -1):
        weights = pictures.double().sum(axis)  # (..., L), along the other axis
        wave = torch.polar(torch.ones_like(index), 2 * math.pi * index / side)
        centre = (weights * wave).sum(-1).angle() * side / (2 * math.pi)
        away = torch.remainder(index - centre[..., None] + side / 2, side) - side / 2
        moments += (weights * away.square()).sum(-1)
    return (moments / total).sqrt()


def level_radii(fields: ReceptiveFields) -> LevelRadii:
    """The radius of each level's mean picture, with the jackknife error over the draws of z."""
    pictures = fields.level_pictures.double()  # (n, H, L, L)
    n = len(pictures)
    total = pictures.sum(0)
    without_one = picture_radius((total - pictures) / (n - 1))  # (n, H)
    spread = (without_one - without_one.mean(0)).square().sum(0)
    return LevelRadii(picture_radius(total), (spread * (n - 1) / n).sqrt())


def fit_radii(radii: LevelRadii, side: int) -> PowerLaw | None:
    """Fits ``ln radius = ln a + b h ln 2`` by least squares with the errors of the radii.

    Levels whose radius is above `NEARLY_EVEN` times that of an even picture are left out. The
    errors are enlarged by the root of chi^2 per degree of freedom where that is above 1.

    Args:
        radii: See `level_radii`.
        side: L.

    Returns:
        The fit, or None where fewer than two levels are left.
    """
    radius, error = (part.double().cpu().numpy() for part in radii)
    use = np.isfinite(radius) & (radius > 0) & (error > 0)
    use &= radius < NEARLY_EVEN * side / math.sqrt(6)
    if use.sum() < 2:
        return None
    (levels,) = np.nonzero(use)
    values, weights = np.log(radius[use]), radius[use] / error[use]
    (slope, start), covariance = np.polyfit(levels, values, 1, w=weights, cov="unscaled")
    chi2 = float((((values - start - slope * levels) * weights) ** 2).sum())
    scale = math.sqrt(max(1.0, chi2 / max(1, len(levels) - 2)))
    slope_error, start_error = np.sqrt(np.diag(covariance)) * scale
    amplitude = math.exp(start)
    return PowerLaw(
        amplitude,
        float(amplitude * start_error),
        float(slope / math.log(2)),
        float(slope_error / math.log(2)),
        chi2,
        tuple(int(h) for h in levels),
    )
