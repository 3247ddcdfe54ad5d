"""Latents of images, with a look at whether they still hold the images."""

import logging
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.bijectors.pixels import dequantize, to_image
from rgflow.flow import Flow
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for

log = logging.getLogger(__name__)

AT_ONCE = 256  # images that go through a flow together
MOST = 2  # shades by which a decoded image may differ


class EncodedImages(NamedTuple):
    """Latents ``(B, C, L, L)``, and the uint8 images of that shape to which they decode."""

    latents: Tensor
    decoded: Tensor


@torch.no_grad()
def encode_images(flow: Flow, images: Tensor, seed: int = 0) -> EncodedImages:
    """Latents of images, decoded again; a warning tells of images that do not come back.

    Images unlike those of the training set have latents far out, up to ``|z| = 1e5`` and more,
    where float32 has too few digits for the way back: give a flow in float64, ``flow.double()``.

    Args:
        flow: A flow of images.
        images: uint8 ``(B, C, L, L)``.
        seed: Seed of the dequantization noise, which is the same for every image.
    """
    noisy = [dequantize(image, torch.Generator().manual_seed(seed)) for image in images.cpu()]
    z = flow.encode(torch.stack(noisy).to(flow.device, flow.dtype))
    decoded = to_image(flow.decode(z))
    difference = (decoded.cpu().int() - images.cpu().int()).abs().flatten(1).amax(1)  # (B,)
    if int(difference.max()) > MOST:
        log.warning(
            "%d of %d images come back from their latents with errors of up to %d shades, "
            "expected at most %d: they lie so far from the training set (|z| up to %.2g) that %s "
            "has too few digits",
            int((difference > MOST).sum()),
            len(images),
            int(difference.max()),
            MOST,
            float(z.abs().max()),
            str(flow.dtype).removeprefix("torch."),
        )
    return EncodedImages(z, decoded)


@torch.no_grad()
def latents_of_images(flow: Flow, images: Tensor, seed: int = 0) -> Tensor:
    """Latents ``(N, C, L, L)`` of uint8 images, each with dequantization noise of its own.

    With the same noise in all images the fine latents, which are mostly noise, would be functions
    of the image alone, and a regression would find in them what noise hides.
    """
    generator = generator_for("encoding", seed)
    parts = progress(images.cpu().split(AT_ONCE), "encoding")
    noisy = (dequantize(part, generator).to(flow.device, flow.dtype) for part in parts)
    return torch.cat([flow.encode(x) for x in noisy])
