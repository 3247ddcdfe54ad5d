"""Files as people have them: odd EXIF data, cut ends, huge pictures."""

import io
import itertools
import random
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from rgflow.data import decoding
from rgflow.data.decoding import Form, decode
from rgflow.data.image_files import read_image

FORM = Form(side=16, channels=3)
SHORT, ASCII, BYTE, RATIONAL = 3, 2, 1, 5


def smooth(width, height):
    """A picture without any symmetry, of which JPEG keeps the shades."""
    y, x = np.mgrid[:height, :width]
    shades = np.stack([255 * x / width, 255 * y / height, 0 * x + 40], -1)
    return Image.fromarray(shades.astype(np.uint8))


def photograph():
    noise = np.random.default_rng(0).normal(0, 8, (200, 300, 3))
    return Image.fromarray((np.asarray(smooth(300, 200)) + noise).clip(0, 255).astype(np.uint8))


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def with_exif(jpeg, block):
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def exif(*tags, order="<"):
    """An EXIF block of ``(tag, type, count, value)``, each of which should have four bytes."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    entries = b"".join(struct.pack(order + "HHII", *tag) for tag in tags)
    return b"Exif\0\0" + head + struct.pack(order + "H", len(tags)) + entries + bytes(4)


ODD = {
    "resolution of bytes": (0x011A, BYTE, 1, 72),
    "maker of fractions": (0x010F, RATIONAL, 1, 8),
    "unit of letters": (0x0128, ASCII, 2, 50),
    "maker beyond the end": (0x010F, ASCII, 500, 2**31),
}


@pytest.mark.parametrize("tag", ODD.values(), ids=ODD.keys())
def test_photographs_are_turned_whatever_else_their_tags_say(tag, tmp_path):
    picture = encoded(smooth(48, 32), "jpeg", quality=95)
    (tmp_path / "plain.jpg").write_bytes(picture)
    (tmp_path / "turned.jpg").write_bytes(with_exif(picture, exif((0x0112, SHORT, 1, 6), tag)))
    plain = read_image(tmp_path / "plain.jpg", 16, 3)
    turned = read_image(tmp_path / "turned.jpg", 16, 3)
    difference = turned.int() - plain.rot90(-1, (1, 2)).int()  # 6: turn clockwise
    assert difference.abs().max() <= 1


def test_all_orientations_are_those_of_pillow(tmp_path):
    from PIL import ImageOps

    for kind, orientation in itertools.product(("png", "webp", "tiff", "jpeg"), range(10)):
        tags = Image.Exif()
        tags[0x0112] = orientation
        path = tmp_path / f"{orientation}.{kind}"
        smooth(32, 32).save(path, exif=tags)
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened).convert("RGB")
        upright.save(tmp_path / "upright.bmp")
        assert torch.equal(read_image(path, 16, 3), read_image(tmp_path / "upright.bmp", 16, 3))


def odd_block(rng):
    """Bytes that look like EXIF data to some extent."""
    order = rng.choice("<>")
    count = rng.randrange(8)
    tags = [0x0112, 0x0112, 0x011A, 0x011B, 0x010F, 0x0128, 0x0132, 0x8769, 0x8825, 0x927C]
    block = {"<": b"II*\0", ">": b"MM\0*"}[order]
    block += struct.pack(order + "I", rng.choice([8, 8, 8, 8, 0, 9, 4000]))
    block += struct.pack(order + "H", rng.choice([count, count, count + 3, 65535]))
    for _ in range(count):
        values = [6, 6 << 16, 1, 8, 40, 2**32 - 1, rng.randrange(2**32)]
        kind, number = rng.randrange(15), rng.choice([1, 1, 1, 0, 2, 5, 100, 2**31])
        block += struct.pack(order + "HHII", rng.choice(tags), kind, number, rng.choice(values))
    block += struct.pack(order + "I", rng.choice([0, 8, 10_000])) + rng.randbytes(
        rng.randrange(60)
    )
    return b"Exif\0\0" + (block[: rng.randrange(len(block))] if rng.random() < 0.2 else block)


@pytest.mark.filterwarnings("ignore")  # Pillow's, of bad EXIF data
def test_no_exif_data_stop_a_picture_that_pillow_decodes(tmp_path):
    rng, path, refused = random.Random(0), tmp_path / "x.jpg", 0
    picture = encoded(smooth(12, 8), "jpeg")
    for _ in range(500):
        content = with_exif(picture, odd_block(rng))
        path.write_bytes(content)
        try:
            decode(path, Form(4, 3))
        except ValueError:
            refused += 1
            with pytest.raises(OSError, match="cannot identify"):
                Image.open(path)
    assert refused < 10


CUT = {"jpeg": {}, "jpeg progressive": {"progressive": True}, "bmp": {}, "tiff": {}}


@pytest.mark.parametrize("kind", CUT)
@pytest.mark.parametrize("count", [1, 2, 20])
def test_files_that_lack_their_last_bytes_are_used(kind, count, tmp_path, caplog):
    path = tmp_path / "x.img"
    content = encoded(photograph(), kind.split()[0], **CUT[kind])
    path.write_bytes(content)
    whole = read_image(path, 16, 3)
    assert not caplog.messages
    path.write_bytes(content[:-count])
    cut = read_image(path, 16, 3)
    assert ((cut.int() - whole.int()).abs() > 8).any(0).float().mean() <= 0.05
    assert caplog.messages == [f"the image {path} lacks its last bytes: it is used without them"]


@pytest.mark.parametrize("kind", CUT)
def test_files_that_lack_more_are_refused(kind, tmp_path):
    path = tmp_path / "x.img"
    content = encoded(photograph(), kind.split()[0], **CUT[kind])
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(
        ValueError, match=r"cannot read the image .*x\.img: image file is truncated"
    ):
        read_image(path, 16, 3)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_huge_images_are_reduced(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    path = tmp_path / "x.img"
    path.write_bytes(encoded(smooth(1024, 512), kind))
    limit = Form(16, 3, max_megapixels=0.1 if kind == "jpeg" else 1)
    monkeypatch.setattr(decoding, "_HUGE", 10_000)
    reduced = decode(path, limit).image
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    monkeypatch.setattr(decoding, "_HUGE", 10**9)
    assert (reduced.int() - decode(path, FORM).image.int()).abs().max() <= 3
    with pytest.raises(ValueError, match=r"got 1024x512 pixels, .* most 0.1 million of them: set"):
        decode(path, Form(16, 3, max_megapixels=0.1))


def test_limit_of_pillow_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    path = tmp_path / "x.png"
    path.write_bytes(encoded(smooth(20, 10), "png"))
    monkeypatch.setattr(decoding, "_HUGE", 50)
    assert decode(path, Form(8, 3)).image.shape == (3, 8, 8)
    assert Image.MAX_IMAGE_PIXELS == 50
    with pytest.raises(Image.DecompressionBombError):
        Image.open(path)
