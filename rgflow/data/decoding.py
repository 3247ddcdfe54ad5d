"""One image file as a small square image, whatever its header says and however large it is."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from torch import Tensor

from rgflow.runtime.command_line import one_line

if TYPE_CHECKING:
    from PIL import Image

MAX_MEGAPIXELS = 400.0
_HUGE = 89_478_485  # pixels from which Pillow warns; such images are decoded one at a time
_huge_images = threading.Lock()
_pillow_limit = threading.Lock()
_LOST = 0.05  # largest share of a picture that the missing end of a file may hold
_END_OF_JPEG = b"\xff\xd9"


@dataclass(frozen=True)
class Form:
    """What is made of an image.

    Attributes:
        side: Side ``L`` of the result, in pixels.
        channels: 3 for RGB, 1 for luminance.
        crop: Side of the central square in pixels; the largest that fits if None.
        max_megapixels: Largest image that is decoded, in millions of pixels. A JPEG file counts
            with the pixels that are left when it is decoded at an eighth of its size.
    """

    side: int
    channels: int
    crop: int | None = None
    max_megapixels: float = MAX_MEGAPIXELS


class Decoded(NamedTuple):
    """A small image ``(C, L, L)`` uint8, and whether its file lacks its last bytes."""

    image: Tensor
    is_cut: bool


def decode(path: Path, form: Form) -> Decoded:
    """The central square of an image file, resized with antialiasing.

    The orientation in the file's EXIF data is applied and all else in it ignored; transparent
    pixels are blended with black. An image of several frames gives the first. A file that lacks
    its last bytes is used if these hold at most a twentieth of the picture. Images of more than 89
    megapixels are reduced before anything else, JPEG files already while they are decoded.

    Args:
        path: A file in a format that Pillow reads, 8 bits per channel.
        form: What to make of it.

    Raises:
        ValueError: In one line that names the file, if it cannot be read, lacks more than that,
            has more than 8 bits per channel, too many pixels, or fewer than ``crop`` on a side.
    """
    try:
        try:
            return Decoded(_small(path, form), False)
        except OSError:  # of a file that is cut, among others, which Pillow does not tell apart
            completed = _completed(path, form)
            if completed is None:
                raise
            return Decoded(completed, True)
    except Exception as error:  # a damaged file can make a decoder raise anything
        reason = one_line(error).replace(f" {str(path)!r}", "")
        raise ValueError(f"cannot read the image {path}: {reason}") from error


def _small(source: Path | IO[bytes], form: Form) -> Tensor:
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    with _opened(source) as image:
        is_huge = image.width * image.height > _HUGE
        if is_huge and form.crop is None:
            image.draft(None, (4 * form.side, 4 * form.side))  # at least as large as this
        if image.width * image.height > 1e6 * form.max_megapixels:
            raise ValueError(
                f"got {image.width}x{image.height} pixels, expected at most "
                f"{form.max_megapixels:g} million of them: set data.max_megapixels"
            )
        # several of them at once would take all memory
        one_at_a_time: AbstractContextManager = _huge_images if is_huge else nullcontext()
        with one_at_a_time:
            square = _central_square(_plain(image, form.channels), form, is_huge)
            return pil_to_tensor(square.resize((form.side, form.side), Image.Resampling.BILINEAR))


def _opened(source: Path | IO[bytes]) -> Image.Image:
    """Pillow's image, without the limit on the pixels that a header may promise."""
    from PIL import Image

    try:
        return Image.open(source)
    except Image.DecompressionBombError:
        with _pillow_limit:  # which is one for the whole process
            limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            try:
                return Image.open(source)
            finally:
                Image.MAX_IMAGE_PIXELS = limit


def _plain(image: Image.Image, channels: int) -> Image.Image:
    """The image upright and opaque, in RGB or luminance."""
    from PIL import Image

    image.load()
    image = _upright(image)
    if image.mode[0] in "IF":
        raise ValueError(f"got pixels of mode {image.mode}, expected 8 bits per channel")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
    return image.convert("RGB" if channels == 3 else "L")


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its orientation tag says.

    Pillow's own ``exif_transpose`` writes the rest of the tags anew, which may be of any kind.
    """
    from PIL import ExifTags, Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(image.getexif().get(ExifTags.Base.Orientation))
    except Exception:  # what is no EXIF data, which may raise anything, says nothing of a turn
        return image
    return image if turn is None else image.transpose(turn)


def _central_square(image: Image.Image, form: Form, is_huge: bool) -> Image.Image:
    square = min(image.size) if form.crop is None else form.crop
    if square > min(image.size):
        raise ValueError(
            f"got {image.width}x{image.height} pixels, expected at least {square}x{square} to "
            "crop from"
        )
    left, top = (image.width - square) // 2, (image.height - square) // 2
    box = (left, top, left + square, top + square)
    return image.reduce(max(1, square // (4 * form.side)), box) if is_huge else image.crop(box)


def _completed(path: Path, form: Form) -> Tensor | None:
    """The image of a file that lacks its last bytes; None if these hold much of the picture.

    What they hold is where the picture depends on the bytes that are put in their place.
    """
    try:
        data = path.read_bytes()
        count = max(1024, len(data) // 10)
        fillings = (_END_OF_JPEG * count, bytes(2 * count) + _END_OF_JPEG)
        grey, other = (_small(BytesIO(data + filling), form) for filling in fillings)
    except Exception:  # no image, or a format that knows that these bytes are not its own
        return None
    lost = (grey != other).any(0).float().mean()  # of (C, L, L)
    return grey if lost <= _LOST else None
