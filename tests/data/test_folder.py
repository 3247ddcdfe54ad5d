import os
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from rgflow.data import ImageDataModule
from rgflow.data.folder import find_images
from rgflow.data.image_files import read_image

SIZES = [(40, 30), (16, 64), (33, 33), (8, 8), (100, 20)]
SUFFIXES = ["png", "jpg", "webp", "bmp", "PNG"]


def noise(size, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def pictures(tmp_path):
    root = tmp_path / "pictures"
    for i in range(40):
        folder = root / f"sub{i % 3}" / "deep" if i % 2 else root
        folder.mkdir(parents=True, exist_ok=True)
        noise(SIZES[i % 5], i).save(folder / f"p{i}.{SUFFIXES[i % 5]}")
    (root / "notes.txt").write_text("no picture")
    (root / ".hidden.png").write_text("no picture")
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RGFLOW_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "rgflow-cache"


def loaded(root, **arguments):
    module = ImageDataModule("folder", str(root), **{"batch_size": 1, "side": 16} | arguments)
    module.prepare_data()
    module.setup()
    return module


def contents(module, split):
    return {image.numpy().tobytes() for image in module.images(split)}


def test_splits_are_disjoint_and_complete(pictures):
    module = loaded(pictures)
    parts = [contents(module, split) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [33, 3, 4]
    assert len(set.union(*parts)) == 40
    sized = loaded(pictures, validation_size=10, test_size=5, train_size=7)
    assert [len(sized.images(s)) for s in ("train", "validation", "test")] == [7, 10, 5]


def test_held_out_images_do_not_depend_on_train_size(pictures):
    full, few = loaded(pictures), loaded(pictures, train_size=5)
    for split in ("validation", "test"):
        assert torch.equal(full.images(split), few.images(split))
    assert torch.equal(few.images("train"), full.images("train")[:5])


def test_split_is_that_of_the_contents_not_of_names_or_sides(pictures):
    before = loaded(pictures)
    shape = before.images("test").shape
    (pictures / "p0.png").rename(pictures / "zzz.png")
    assert contents(loaded(pictures), "test") == contents(before, "test")
    larger = loaded(pictures, side=32).images("test").float()
    small = torch.nn.functional.avg_pool2d(larger, 2)
    difference = (small - before.images("test").float()).abs().mean((1, 2, 3))
    assert shape == (4, 3, 16, 16)
    assert (difference < 20).all()  # the mean over unrelated pictures is above 40
    assert contents(loaded(pictures, data_seed=1), "test") != contents(before, "test")


def test_copies_of_an_image_count_once(pictures):
    before = loaded(pictures)
    for i in range(0, 40, 10):
        shutil.copy(pictures / f"p{i}.png", pictures / f"copy{i}.png")
    after = loaded(pictures)
    for split in ("train", "validation", "test"):
        assert contents(after, split) == contents(before, split)
        assert len(after.images(split)) == len(before.images(split))


def test_changed_files_are_decoded_again(pictures, monkeypatch, caplog):
    loaded(pictures)
    with monkeypatch.context() as patch:
        patch.setattr("rgflow.data.folder.read_images", None)
        loaded(pictures)  # from the cache
    path = pictures / "sub0" / "deep" / "p3.bmp"
    size = path.stat().st_size
    Image.new("RGB", SIZES[3], "red").save(path)
    os.utime(path, (1, 1))
    assert path.stat().st_size == size
    everything = [loaded(pictures).images(s) for s in ("train", "validation", "test")]
    red = torch.tensor([255, 0, 0], dtype=torch.uint8)[:, None, None]
    assert (torch.cat(everything) == red).all((1, 2, 3)).sum() == 1
    noise((20, 20), 99).save(pictures / "new.png")
    with caplog.at_level("INFO"):
        loaded(pictures)
    what = f"the folder {pictures} or what is used of it has changed"
    assert caplog.messages[0].endswith(what)
    assert sum(len(loaded(pictures).images(s)) for s in ("train", "validation", "test")) == 41


def test_one_channel(pictures):
    module = loaded(pictures, channels=1)
    assert module.event_shape == (1, 16, 16)
    assert module.images("train").shape[1:] == (1, 16, 16)


@pytest.mark.parametrize("content", [b"", b"no picture", "half"])
def test_broken_image_is_named(content, pictures, cache):
    path = pictures / "sub0" / "deep" / "p3.bmp"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with pytest.raises(ValueError, match=r"cannot read the image .*p3\.bmp: ") as caught:
        loaded(pictures)
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []


def test_broken_images_are_named_at_once(pictures, cache):
    names = ["p0.png", "p10.png", "p20.png", "p30.png", "sub0/deep/p3.bmp"]
    for name in names[:2]:
        (pictures / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"got 2 images of 40 .*p0\.png: .*; .*p10\.png: ") as two:
        loaded(pictures)
    for name in names:
        (pictures / name).write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"got 5 images of 40 that .*; and 2 more ") as many:
        loaded(pictures)
    assert "more" not in str(two.value)
    assert [name in str(many.value) for name in names] == [True, True, True, False, False]
    (listed,) = cache.iterdir()
    assert str(listed) in str(many.value)
    assert [name in line for name, line in zip(names, lines(listed), strict=True)] == [True] * 5


def lines(path):
    return path.read_text().splitlines()


def test_broken_images_are_left_out_if_asked_for(pictures, cache, caplog):
    names = ["p0.png", "p10.png", "p20.png", "p30.png"]
    for name in names:
        (pictures / name).write_bytes(b"no picture")
    module = loaded(pictures, skip_broken=True)
    parts = [contents(module, split) for split in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 36
    assert "left out 4 of 40 images" in caplog.text
    assert len(lines(next(cache.glob("*-broken.txt")))) == 4
    with pytest.raises(ValueError, match=r"data\.skip_broken=true leaves them out"):
        loaded(pictures)  # not from the cache
    for name in names:
        shutil.copy(pictures / "p4.PNG", pictures / name)
    assert sum(len(loaded(pictures).images(s)) for s in ("train", "validation", "test")) == 36
    assert not list(cache.glob("*-broken.txt"))


def test_one_line_says_what_is_used(pictures, caplog):
    (pictures / "film.mov").touch()
    (pictures / "film.mpg").touch()  # Pillow knows the name alone
    (pictures / "README").touch()
    (pictures / "away.png").symlink_to(pictures / "nowhere.png")
    shutil.copy(pictures / "p0.png", pictures / "copy.png")
    with caplog.at_level("INFO"):
        loaded(pictures)
    start, _, passed_over = caplog.messages[-1].partition("; passed over what is no image: ")
    assert start == (
        f"using 40 of 41 images below {pictures} (1 copies of others), each cropped to its "
        "central square"
    )
    kinds = {"1 .txt", "1 .mov", "1 .mpg", "1 no suffix", "1 links to nothing and the like"}
    assert set(passed_over.split(", ")) == kinds


def test_links_are_followed_but_not_in_circles(pictures, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for i in range(5):
        noise((9, 9), 100 + i).save(elsewhere / f"{i}.png")
    (elsewhere / "back").symlink_to(pictures)
    (elsewhere / "self").symlink_to(elsewhere)
    (pictures / "linked").symlink_to(elsewhere)
    (pictures / "again").symlink_to(elsewhere)
    before = loaded(pictures)
    assert sum(len(before.images(s)) for s in ("train", "validation", "test")) == 45
    assert len(find_images(pictures).paths) == 45
    noise((9, 9), 200).save(elsewhere / "new.png")
    after = loaded(pictures)  # the cache notices
    assert sum(len(after.images(s)) for s in ("train", "validation", "test")) == 46


def test_all_that_pillow_decodes_is_used(tmp_path):
    root = tmp_path / "kinds"
    root.mkdir()
    names = ["a.tif", "b.TIFF", "c.gif", "d.avif", "e.jp2", "f.ppm", "g.tga", "h.jfif", "i.qoi"]
    for i, name in enumerate(names):
        noise((12, 9), i).save(root / name)
    module = loaded(root)
    assert sum(len(module.images(s)) for s in ("train", "validation", "test")) == 9


def test_nothing_is_written_among_the_pictures(pictures, cache, tmp_path):
    before = sorted(pictures.rglob("*"))
    first = loaded(pictures)
    shutil.copytree(pictures / "sub1", tmp_path / "others")
    second = loaded(tmp_path / "others")
    assert contents(loaded(pictures), "test") == contents(first, "test")
    assert sorted(pictures.rglob("*")) == before
    assert sum(len(second.images(s)) for s in ("train", "validation", "test")) == 7
    assert len(list(cache.iterdir())) == 2  # folders do not share a file


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_truncated_files_of_every_kind(suffix, tmp_path):
    path = tmp_path / f"x.{suffix}"
    noise((64, 64), 0).save(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="cannot read the image"):
        read_image(path, 8, 3)


def test_sixteen_bits_are_refused(tmp_path):
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match="got pixels of mode I;16, expected 8 bits"):
        read_image(tmp_path / "x.png", 8, 3)


def test_largest_central_square_is_taken(tmp_path):
    pixels = np.zeros((10, 30, 3), np.uint8)
    pixels[:, 10:20] = (10, 20, 30)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    wanted = torch.tensor([10, 20, 30], dtype=torch.uint8)[:, None, None].expand(3, 5, 5)
    assert torch.equal(read_image(tmp_path / "wide.png", 5, 3), wanted)


def test_transparent_and_turned_images(tmp_path):
    clear = np.full((8, 8, 4), 200, np.uint8)
    clear[:, :4, 3] = 0
    clear[:, 4:, 3] = 255
    Image.fromarray(clear).save(tmp_path / "clear.png")
    image = read_image(tmp_path / "clear.png", 8, 3)
    assert not image[:, :, :4].any()
    assert (image[:, :, 4:] == 200).all()
    top = np.zeros((16, 16, 3), np.uint8)
    top[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    Image.fromarray(top).save(tmp_path / "turned.png", exif=exif)
    image = read_image(tmp_path / "turned.png", 16, 1)
    assert not image[:, :8].any()
    assert (image[:, 8:] == 255).all()


def test_too_few_images(tmp_path, pictures):
    few = tmp_path / "few"
    few.mkdir()
    with pytest.raises(
        ValueError, match=r"too few images: got 0 below .*few, expected at least 3"
    ):
        loaded(few)
    for i in range(4):
        shutil.copy(pictures / "p0.png", few / f"{i}.png")
    with pytest.raises(ValueError, match="got 1 different ones"):
        loaded(few)
    with pytest.raises(ValueError, match=r"got 40 below .*, expected more than test_size=40"):
        loaded(pictures, test_size=40)
    with pytest.raises(ValueError, match="expected more than validation_size=30"):
        loaded(pictures, test_size=10, validation_size=30)
    with pytest.raises(
        ValueError, match="train_size: got 34, expected at most the 33 images that are left"
    ):
        loaded(pictures, train_size=34)
    with pytest.raises(ValueError, match=r"too few training images: got 33, .* 34 x 1 x 1"):
        loaded(pictures, batch_size=34).train_dataloader()


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere; expected one with images"):
        find_images(tmp_path / "nowhere")
