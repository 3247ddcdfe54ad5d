"""Between 8-bit images and the real line: dequantize, squeeze, logit; and bits per dimension."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.chain import Chain
from rgflow.ops.choice import are_readable
from rgflow.runtime.fields import check_field

SHADES = 256
BOUND = 6.0  # largest logit for which the map is the logistic function itself
LEAST_NOISE = 2.0**-14  # four times the spacing of float32 below 256
EDGE = 1 / (1 + math.exp(-BOUND))
FAR = 1.0
"""Mean distance from [0, 1] at which intensities are taken for something else, such as shades."""


def dequantize(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Adds uniform noise within a shade: ``x = (images + u - 1/2) / 255``, u uniform in (0, 1).

    u keeps a distance of 2^-14 from both ends, with which the rounding of float32 cannot carry an
    intensity into the next shade: ``to_image`` gives the images back without an exception.

    Args:
        images: uint8, any shape.
        generator: Source of the noise, on the images' device; the global one if None.

    Returns:
        Float tensor in ``(-1/510, 1 + 1/510)``.

    Raises:
        ValueError: For another type than uint8.
    """
    if images.dtype != torch.uint8:
        raise ValueError(f"got images of type {images.dtype}, expected torch.uint8")
    noise = torch.rand(images.shape, generator=generator, device=images.device)
    noise.clamp_(LEAST_NOISE, 1 - LEAST_NOISE)
    return (images + noise - 0.5) / (SHADES - 1)


def to_image(x: Tensor) -> Tensor:
    """Rounds intensities (1 is white) to uint8 shades; what lies outside [0, 1] is clamped."""
    check_field(x, "to_image")
    return x.detach().clamp(0, 1).mul(SHADES - 1).round().to(torch.uint8)


def bits_per_dim(log_prob: Tensor, event_shape: tuple[int, ...]) -> Tensor:
    """``(-log_prob / D + ln 255) / ln 2`` for a density over intensities, of which 1 is white.

    The width of a shade is 1/255 in these units. The published ``(nats per dim + ln 256) / ln 2``
    is the same number, with the density taken over ``(255 x + u) / 256``.

    Args:
        log_prob: Nats, any shape.
        event_shape: ``(C, L, L)``, of which D is the product.
    """
    return (-log_prob / math.prod(event_shape) + math.log(SHADES - 1)) / math.log(2)


def acts_on_pixels(bijector: Bijector) -> bool:
    """Whether a flow with this bijector is one of images, not of fields."""
    parts = bijector.bijectors if isinstance(bijector, Chain) else [bijector]
    return any(isinstance(part, PixelLogit) for part in parts)


class PixelLogit(Bijector):
    """Squeeze and logit: ``z = logit(margin + (1 - 2 margin) y)``, ``y = (255 x + 1/2) / 256``.

    x is an image with intensities in [0, 1] (shade / 255), as ``dequantize`` gives it. An
    undequantized image sits in the middle of its shades. Latents whose image would leave
    ``0 <= y <= 1`` still decode, to intensities slightly outside [0, 1]; ``to_image`` clamps them.
    Beyond ``|z| = 6``, which no image reaches, the logit is continued by straight lines: there the
    logistic function comes so near to 0 and 1 that it has no inverse in float32.

    Args:
        event_shape: ``(C, L, L)``.
        margin: Half of what the squeeze takes off, in (0, 1/2).

    Raises:
        ValueError: For a margin out of range; on a call, for integers, and for intensities that
            lie on average more than `FAR` outside [0, 1], where no compiler or transform runs it.

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
        """Empty, as every pixel is mapped alone."""
        return ()

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        _check_intensities(x)
        p = x * self.slope + self.start
        near = p.clamp(1 - EDGE, EDGE)
        log_p, log_q = near.log(), torch.log1p(-near)
        # d logit(p) / dp = 1 / (p (1 - p)), and beyond the bound what it is there
        z = log_p - log_q + (p - near) / (EDGE * (1 - EDGE))
        return z, self._constant() - (log_p + log_q).flatten(1).sum(1)

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        near = z.clamp(-BOUND, BOUND)
        log_p, log_q = F.logsigmoid(near), F.logsigmoid(-near)
        log_det = (log_p + log_q).flatten(1).sum(1) - self._constant()
        p = torch.sigmoid(near) + (z - near) * (EDGE * (1 - EDGE))
        return (p - self.start) / self.slope, log_det

    def _constant(self) -> float:
        return math.prod(self.event_shape) * math.log(self.slope)


def _check_intensities(x: Tensor) -> None:
    """Refuses what cannot be intensities; single pixels far out, as of hot samples, may be."""
    if not are_readable(x):
        return
    distance = float((x - x.clamp(0, 1)).abs().mean().detach())
    if distance > FAR:
        low, high = x.detach().aminmax()
        raise ValueError(
            f"got intensities from {low:.3g} to {high:.3g}, on average {distance:.3g} outside "
            "[0, 1], expected shades divided by 255: dequantize images"
        )
