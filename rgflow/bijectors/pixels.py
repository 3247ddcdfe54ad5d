"""From 8-bit images to real numbers and back, and the likelihood in bits per dimension."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cell_layer import CellLayer
from rgflow.bijectors.chain import Chain
from rgflow.ops.choice import are_readable
from rgflow.runtime.fields import check_field

SHADES = 256
BOUND = 6.0  # largest logit for which the map is the logistic function itself
LEAST_NOISE = 2.0**-14  # four times the spacing of float32 below 256
EDGE = 1 / (1 + math.exp(-BOUND))
FAR = 1.0
"""Mean distance from [0, 1] beyond which numbers are refused as intensities."""


def dequantize(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Adds uniform noise of one shade's width, ``x = (images + u - 1/2) / 255``, u in (0, 1).

    u stays 2^-14 away from both ends, so that rounding in float32 never carries an intensity into
    the next shade and ``to_image`` gives back exactly the images.

    Args:
        images: uint8, any shape.
        generator: Random generator on the device of the images; the global one if None.

    Returns:
        Intensities in ``(-1/510, 1 + 1/510)``, floating-point, of the shape of ``images``.

    Raises:
        ValueError: For another type than uint8.
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"got images of type {images.dtype}, expected torch.uint8")
    noise = torch.rand(images.shape, generator=generator, device=images.device)
    noise.clamp_(LEAST_NOISE, 1 - LEAST_NOISE)
    return (images + noise - 0.5) / (SHADES - 1)


def to_image(x: Tensor) -> Tensor:
    """Rounds intensities (1 is white), clamped to [0, 1], to shades of type uint8."""
    check_field(x, "to_image")
    return x.detach().clamp(0, 1).mul(SHADES - 1).round().to(torch.uint8)


def bits_per_dim(log_prob: Tensor, event_shape: tuple[int, ...]) -> Tensor:
    """``(-log_prob / D + ln 255) / ln 2`` for a density over intensities x, of which 1 is white.

    A shade has the width 1/255 in x. The ``(nats per dim + ln 256) / ln 2`` of the literature is
    the same number, for the density over ``(255 x + 1/2) / 256``.

    Args:
        log_prob: Log density in nats, any shape.
        event_shape: ``(C, L, L)``; D is the product of these numbers.
    """
    return (-log_prob / math.prod(event_shape) + math.log(SHADES - 1)) / math.log(2)


def acts_on_pixels(bijector: Bijector) -> bool:
    """Whether a flow with this bijector models images, not fields."""
    parts = bijector.bijectors if isinstance(bijector, Chain) else [bijector]
    return any(isinstance(part, PixelLogit) for part in parts)


class PixelLogit(Bijector):
    """Squeeze and logit: ``z = logit(margin + (1 - 2 margin) y)``, ``y = (255 x + 1/2) / 256``.

    x is an image with intensities (shade / 255) as ``dequantize`` gives them; without that noise,
    each is in the middle of its shade. The inverse may give intensities outside [0, 1], which
    ``to_image`` clamps. Beyond ``|z| = 6``, which images reach only for margins below 0.0025, the
    logit is continued by straight lines: there the logistic function is so close to 0 or 1 that
    float32 cannot invert it.

    Args:
        event_shape: ``(C, L, L)``.
        margin: What the squeeze takes off at each end of [0, 1], in (0, 1/2).

    Raises:
        ValueError: For a margin out of range; on a call, for integers, and for intensities that
            are on average more than `FAR` outside [0, 1]. Under torch.compile and torch.func the
            latter is not checked.

    Reference: Real NVP, arXiv:1605.08803; the margin 0.05 is that of arXiv:2010.00029.

    >>> pixel = PixelLogit((1, 1, 1))
    >>> z, _ = pixel(torch.full((1, 1, 1, 1), 0.5))
    >>> abs(z.item()) < 1e-6
    True
    """

    def __init__(self, event_shape: tuple[int, ...], margin: float = 0.05) -> None:
        super().__init__(event_shape)
        if not 0 < margin < 0.5:
            raise ValueError(f"margin must lie in (0, 1/2), got {margin}")
        self.margin = margin
        self.slope = (1 - 2 * margin) * (SHADES - 1) / SHADES
        self.start = margin + (1 - 2 * margin) * 0.5 / SHADES

    @property
    def reaches(self) -> tuple[()]:
        """Empty, as every pixel is mapped on its own."""
        return ()

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        _check_intensities(x)
        z, log_slope = self._logits(x)
        return z, self._constant() + log_slope.flatten(1).sum(1)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x, log_slope = self._intensities(z)
        return x, log_slope.flatten(1).sum(1) - self._constant()

    def _logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the logarithms of their derivatives up to that of ``slope``."""
        p = x * self.slope + self.start
        near = p.clamp(1 - EDGE, EDGE)
        log_p, log_q = near.log(), torch.log1p(-near)
        # d logit(p) / dp = 1 / (p (1 - p)), and beyond the bound its value at the bound
        z = log_p - log_q + (p - near) / (EDGE * (1 - EDGE))
        return z, -(log_p + log_q)

    def _intensities(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Intensities, and the logarithms of their derivatives up to that of ``1 / slope``."""
        near = z.clamp(-BOUND, BOUND)
        log_p, log_q = F.logsigmoid(near), F.logsigmoid(-near)
        p = torch.sigmoid(near) + (z - near) * (EDGE * (1 - EDGE))
        return (p - self.start) / self.slope, log_p + log_q

    cell, offset = 1, 0

    @property
    def cell_layers(self) -> tuple[CellLayer, ...]:
        """This layer, whose cells are single pixels."""
        return (self,)

    def map_cells(self, cells: Tensor, sites: Tensor, *, inverse: bool) -> tuple[Tensor, Tensor]:
        """Some pixels, see `CellLayer`."""
        if inverse:
            image, log_slope = self._intensities(cells)
        else:
            image, log_slope = self._logits(cells)
        log_det = log_slope.sum((0, 1)) + len(cells) * math.log(self.slope) * (-1) ** inverse
        return image, log_det

    def _constant(self) -> float:
        return math.prod(self.event_shape) * math.log(self.slope)


def _check_intensities(x: Tensor) -> None:
    """Refuses what cannot be intensities; a few pixels far out, as in hot samples, are allowed."""
    if not are_readable(x):
        return
    distance = float((x - x.clamp(0, 1)).abs().mean().detach())
    if distance > FAR:
        low, high = x.detach().aminmax()
        raise ValueError(
            f"got intensities from {low:.3g} to {high:.3g}, on average {distance:.3g} outside "
            "[0, 1], expected shades divided by 255: dequantize images"
        )
