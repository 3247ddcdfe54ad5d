"""From image files of any size to one tensor of small square images."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.data.decoding import MAX_MEGAPIXELS, Decoded, Form, decode
from rgflow.runtime.files import write_atomically

log = logging.getLogger(__name__)

_BATCH = 1000  # images decoded before the next are handed out
_NAMED = 3  # images of which a message says what is wrong
_LOG_EVERY = 20_000


def read_image(
    path: Path,
    side: int,
    channels: int,
    crop: int | None = None,
    max_megapixels: float = MAX_MEGAPIXELS,
) -> Tensor:
    """One image file, cropped to its central square and resized; ``(C, L, L)`` uint8.

    A file that lacks a few of its last bytes is used, with a warning; see
    `rgflow.data.decoding.decode`.

    Args:
        path: A file in a format that Pillow reads, 8 bits per channel.
        side: Side ``L`` of the result, in pixels.
        channels: 3 for RGB, 1 for luminance.
        crop: Side of the central square in pixels; the largest that fits if None.
        max_megapixels: Largest image that is decoded.

    Raises:
        ValueError: In one line that names the file, if it cannot be used.
    """
    image, is_cut = decode(Path(path), Form(side, channels, crop, max_megapixels))
    if is_cut:
        log.warning("the image %s lacks its last bytes: it is used without them", path)
    return image


class ReadImages(NamedTuple):
    """Images ``(N, C, L, L)`` uint8, and their positions ``(N,)`` int64 among the files."""

    images: Tensor
    positions: Tensor


def read_images(
    paths: Sequence[Path], form: Form, broken_list: Path | None = None, skip_broken: bool = False
) -> ReadImages:
    """`decode` for all ``paths``, in parallel threads; a warning counts files that are cut.

    Args:
        paths: The files.
        form: What to make of them.
        broken_list: A text file that gets a line for each image that cannot be used, if there are
            more of them than a message names.
        skip_broken: Whether to leave these out, with a warning.

    Raises:
        ValueError: In one line, after all were tried: how many cannot be used, and the first few.
    """
    if broken_list is not None:
        broken_list.unlink(missing_ok=True)  # of another time
    images = torch.empty(len(paths), form.channels, form.side, form.side, dtype=torch.uint8)
    is_sound = torch.ones(len(paths), dtype=torch.bool)
    broken: list[str] = []
    cut: list[str] = []

    def attempt(path: Path) -> Decoded | ValueError:
        try:
            return decode(path, form)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        for start in range(0, len(paths), _BATCH):
            part = paths[start : start + _BATCH]
            for i, result in enumerate(pool.map(attempt, part), start):
                if isinstance(result, ValueError):
                    is_sound[i] = False
                    broken.append(str(result))
                    continue
                images[i] = result.image
                if result.is_cut:
                    cut.append(str(paths[i]))
            done = start + len(part)
            if done % _LOG_EVERY == 0:
                log.info("decoded %d of %d images", done, len(paths))
    if cut:
        log.warning("%d images lack their last bytes and are used without them: %s", *_few(cut))
    if broken:
        _tell(broken, len(paths), broken_list, skip_broken)
        images = images[is_sound]
    return ReadImages(images, is_sound.nonzero()[:, 0])


def _tell(broken: list[str], count: int, broken_list: Path | None, skip_broken: bool) -> None:
    """Warns of images that cannot be used, or refuses them."""
    number, named = _few(broken)
    if number > _NAMED and broken_list is not None:
        text = "".join(f"{line}\n" for line in broken)
        write_atomically(broken_list, lambda file: file.write(text.encode(errors="replace")))
        named += f" (all are listed in {broken_list})"
    if skip_broken:
        log.warning("left out %d of %d images, which cannot be used: %s", number, count, named)
    elif number == 1:
        raise ValueError(f"{named}; data.skip_broken=true leaves it out")
    else:
        raise ValueError(
            f"got {number} images of {count} that cannot be used, expected none: {named}; "
            "data.skip_broken=true leaves them out"
        )


def _few(lines: list[str]) -> tuple[int, str]:
    """How many there are, and the first of them."""
    more = f"; and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return len(lines), "; ".join(lines[:_NAMED]) + more


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
