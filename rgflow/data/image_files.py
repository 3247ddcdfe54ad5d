"""From image files of any size to one tensor of small square images."""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

log = logging.getLogger(__name__)

_BATCH = 1000  # images decoded before the next are handed out
_NAMED = 3  # broken images of which a message says what is wrong
_LOG_EVERY = 20_000


def read_image(path: Path, side: int, channels: int, crop: int | None = None) -> Tensor:
    """One image file, cropped to its central square and resized with antialiasing.

    The orientation in the file's EXIF data is applied; transparent pixels are blended with black.

    Args:
        path: A file in a format that Pillow reads, 8 bits per channel.
        side: Side ``L`` of the result, in pixels.
        channels: 3 for RGB, 1 for luminance.
        crop: Side of the central square in pixels; the largest that fits if None.

    Returns:
        ``(C, L, L)`` uint8.

    Raises:
        ValueError: In one line that names the file, if it cannot be read, is truncated, has more
            than 8 bits per channel or is smaller than ``crop``.
    """
    from PIL import Image, ImageOps
    from torchvision.transforms.functional import pil_to_tensor

    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode[0] in "IF":
                raise ValueError(f"got pixels of mode {image.mode}, expected 8 bits per channel")
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
            image = image.convert("RGB" if channels == 3 else "L")
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"cannot read the image {path}: {reason}") from error
    square = min(image.size) if crop is None else crop
    if square > min(image.size):
        raise ValueError(
            f"cannot crop the image {path}: got {image.width}x{image.height} pixels, "
            f"expected at least {crop}x{crop}"
        )
    left, top = (image.width - square) // 2, (image.height - square) // 2
    image = image.crop((left, top, left + square, top + square))
    return pil_to_tensor(image.resize((side, side), Image.Resampling.BILINEAR))


def read_images(
    paths: Sequence[Path], side: int, channels: int, crop: int | None = None
) -> Tensor:
    """:func:`read_image` for all ``paths``, in parallel threads; ``(N, C, L, L)`` uint8.

    Raises:
        ValueError: In one line, after all were tried: how many cannot be used, and the first few.
    """
    images = torch.empty(len(paths), channels, side, side, dtype=torch.uint8)
    broken: list[str] = []

    def attempt(path: Path) -> Tensor | ValueError:
        try:
            return read_image(path, side, channels, crop)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for start in range(0, len(paths), _BATCH):
            part = paths[start : start + _BATCH]
            for i, image in enumerate(pool.map(attempt, part), start):
                if isinstance(image, ValueError):
                    broken.append(str(image))
                else:
                    images[i] = image
            done = start + len(part)
            if done % _LOG_EVERY == 0:
                log.info("decoded %d of %d images", done, len(paths))
    if len(broken) == 1:
        raise ValueError(broken[0])
    if broken:
        more = f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
        raise ValueError(
            f"got {len(broken)} images of {len(paths)} that cannot be used, expected none: "
            f"{'; '.join(broken[:_NAMED])}{more}"
        )
    return images


def resized(images: Tensor, side: int) -> Tensor:
    """``images`` ``(N, C, H, H)`` uint8 at side ``side``, bilinear with antialiasing."""
    if images.shape[-1] == side:
        return images
    parts = [
        torch.nn.functional.interpolate(
            part.float(), (side, side), mode="bilinear", antialias=True, align_corners=False
        )
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
        for part in images.split(4096)  # bounds the float copy
    ]
    return torch.cat(parts)
