import gzip
import hashlib
import pickle
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from rgflow.data import ImageDataModule

NAMES = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}


def loaded(dataset, root, **arguments):
    module = ImageDataModule(dataset, str(root), **{"batch_size": 1} | arguments)
    module.prepare_data()
    module.setup()
    return module


def write_idx(path, images, zipped=False):
    content = struct.pack(">4i", 0x803, *images.shape) + images.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if zipped else content)


def digits(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)


def sorted_images(images):
    return sorted(image.numpy().tobytes() for image in images)


@pytest.mark.parametrize("dataset", NAMES)
@pytest.mark.parametrize("place", ["", "NAME", "NAME/raw"])
@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_in_all_places(dataset, place, zipped, tmp_path):
    folder = tmp_path / place.replace("NAME", NAMES[dataset])
    suffix = ".gz" if zipped else ""
    write_idx(folder / f"train-images-idx3-ubyte{suffix}", digits(30, 0), zipped)
    write_idx(folder / f"t10k-images-idx3-ubyte{suffix}", digits(9, 1), zipped)
    module = loaded(dataset, tmp_path, validation_size=5)
    assert module.event_shape == (1, 32, 32)
    train, validation, test = map(module.images, ("train", "validation", "test"))
    assert (len(train), len(validation), len(test)) == (25, 5, 9)
    assert train.dtype == torch.uint8
    everything = torch.cat([train, validation])[:, :, 2:-2, 2:-2]
    assert sorted_images(everything) == sorted(image.tobytes() for image in digits(30, 0))
    frame = train.clone()
    frame[:, :, 2:-2, 2:-2] = 0
    assert not frame.any()


def test_other_sides_are_resized(tmp_path):
    write_idx(tmp_path / "train-images-idx3-ubyte", np.full((5, 28, 28), 200, np.uint8))
    write_idx(tmp_path / "t10k-images-idx3-ubyte", digits(2, 1))
    for side in (16, 28, 64):
        images = loaded("mnist", tmp_path, side=side).images("train")
        assert images.shape[1:] == (1, side, side)
        assert (images == 200).all()
    raw = loaded("mnist", tmp_path, side=28).images("test")
    assert sorted_images(raw) == sorted(image.tobytes() for image in digits(2, 1))


def test_missing_idx_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no train-images-idx3-ubyte or .* data.download"):
        loaded("fashion_mnist", tmp_path)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("keep", [5, 2000])
def test_truncated_idx_file(zipped, keep, tmp_path):
    path = tmp_path / f"train-images-idx3-ubyte{'.gz' if zipped else ''}"
    write_idx(path, digits(9, 0), zipped)
    write_idx(tmp_path / "t10k-images-idx3-ubyte", digits(9, 0))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        ValueError, match=r"cannot read .*train-images.*damaged idx file"
    ) as caught:
        loaded("mnist", tmp_path)
    assert "\n" not in str(caught.value)


def test_idx_file_of_other_images(tmp_path):
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", digits(9, 0)[:, :20])
    with pytest.raises(ValueError, match=r"got images \(20, 28\), expected \(28, 28\)"):
        loaded("mnist", tmp_path)


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    """The batches of CIFAR-10, 8 images each, and their checksums."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    images, lists = {}, {"train_list": [], "test_list": []}
    for which, files in lists.items():
        for name, _ in getattr(CIFAR10, which):
            data = np.random.default_rng(len(images)).integers(0, 256, (8, 3072), dtype=np.uint8)
            content = pickle.dumps({"data": data, "labels": [0] * 8})
            (folder / name).write_bytes(content)
            files.append([name, hashlib.md5(content).hexdigest()])
            images[name] = data
        monkeypatch.setattr(CIFAR10, which, files)
    meta = pickle.dumps({"label_names": ["cat"]})
    (folder / "batches.meta").write_bytes(meta)
    checksum = hashlib.md5(meta).hexdigest()
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": checksum})
    return tmp_path, images


def test_cifar10(cifar10):
    root, images = cifar10
    module = loaded("cifar10", root, validation_size=10)
    assert module.images("train").shape == (30, 3, 32, 32)
    assert module.images("test").shape == (8, 3, 32, 32)
    found = sorted_images(torch.cat([module.images("train"), module.images("validation")]))
    rows = np.concatenate([data for name, data in images.items() if name != "test_batch"])
    assert found == sorted(row.tobytes() for row in rows)
    assert loaded("cifar10", root, side=16).images("test").shape == (8, 3, 16, 16)


def test_cifar10_damaged_or_missing(cifar10):
    root, _ = cifar10
    path = root / "cifar-10-batches-py" / "data_batch_3"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"cifar10: a file in .* is damaged"):
        loaded("cifar10", root)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"no data_batch_3 in .* set data.root"):
        loaded("cifar10", root)


COUNTS = (12, 5, 4)  # training, validation, test


@pytest.fixture
def celeba(tmp_path):
    """A small CelebA in the format that torchvision reads; every image has a gray of its own."""
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{i:06d}.jpg" for i in range(1, sum(COUNTS) + 1)]
    for i, name in enumerate(names):
        picture = np.zeros((218, 178, 3), np.uint8)
        picture[35:183, 15:163] = 10 * (i + 1)  # the central square; black around it is cropped
        picture[35:183, 15:89, 0] += 40  # redder on the left
        Image.fromarray(picture).save(folder / "img_align_celeba" / name, quality=95)
    part = np.repeat([0, 1, 2], COUNTS)

    def table(name, rows, header=""):
        lines = [f"{n} {row}\n" for n, row in zip(names, rows, strict=True)]
        (folder / name).write_text(header + "".join(lines))

    table("list_eval_partition.txt", part)
    table("identity_CelebA.txt", range(1, len(names) + 1))
    count = f"{len(names)}\n"
    table("list_attr_celeba.txt", ["-1  1"] * len(names), count + "Smiling Young\n")
    table("list_bbox_celeba.txt", ["1 2 3 4"] * len(names), count + "image_id x_1 y_1 w h\n")
    landmarks = count + "lefteye_x lefteye_y\n"
    table("list_landmarks_align_celeba.txt", ["69 109"] * len(names), landmarks)
    return tmp_path


def grays(images):
    """Which image each one is, from its mean blue."""
    return [round(value) for value in (images[:, 2].float().mean((1, 2)) / 10).tolist()]


def test_celeba_follows_its_partition(celeba):
    module = loaded("celeba", celeba)
    assert module.event_shape == (3, 32, 32)
    assert sorted(grays(module.images("train"))) == list(range(1, 13))
    assert sorted(grays(module.images("validation"))) == list(range(13, 18))
    assert sorted(grays(module.images("test"))) == list(range(18, 22))


def test_celeba_crops_the_centre_and_keeps_left_and_right(celeba):
    images = loaded("celeba", celeba, side=37).images("train").float()
    excess = images[:, 0] - images[:, 2]
    assert (excess[:, :, :17] > 25).all()
    assert (excess[:, :, 20:].abs() < 15).all()
    # no row or column of the black frame is left
    assert (images[:, 2].std((1, 2)) < 5).all()


def test_celeba_sizes_and_cache(celeba, monkeypatch):
    loaded("celeba", celeba, side=16)
    monkeypatch.setattr("rgflow.data.torchvision_sets.read_images", None)  # decoded before
    full = loaded("celeba", celeba, side=16)
    few = loaded("celeba", celeba, side=16, train_size=6, validation_size=2, test_size=3)
    assert torch.equal(few.images("train"), full.images("train")[:6])
    assert torch.equal(few.images("validation"), full.images("validation")[:2])
    assert len(few.images("test")) == 3
    with pytest.raises(ValueError, match="validation_size: got 6, expected at most the 5"):
        loaded("celeba", celeba, side=16, validation_size=6)


@pytest.mark.parametrize("name", ["list_eval_partition.txt", "list_bbox_celeba.txt"])
def test_celeba_missing_list(name, celeba):
    (celeba / "celeba" / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"celeba: no {name} in .*; set data.root"):
        loaded("celeba", celeba)


def test_celeba_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="celeba: no img_align_celeba in") as caught:
        loaded("celeba", tmp_path / "nowhere")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("damage", ["truncate", "remove", "shrink"])
def test_celeba_bad_image_is_named(damage, celeba):
    path = celeba / "celeba" / "img_align_celeba" / "000003.jpg"
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:700])
    elif damage == "remove":
        path.unlink()
    else:
        Image.new("RGB", (178, 147)).save(path)
    with pytest.raises(ValueError, match=r"000003\.jpg: ") as caught:
        loaded("celeba", celeba)
    assert "\n" not in str(caught.value)
    assert list((celeba / "rgflow-cache").iterdir()) == []


def test_celeba_damaged_list(celeba):
    (celeba / "celeba" / "list_eval_partition.txt").write_text("000001.jpg zero\n")
    with pytest.raises(ValueError, match=r"a list in .* is damaged"):
        loaded("celeba", celeba)


def test_failed_download_is_one_line(tmp_path, monkeypatch):
    import torchvision.datasets

    def refuse(*_, **__):
        raise RuntimeError("no\nnetwork")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", refuse)
    with pytest.raises(ValueError, match=r"mnist: the download to .* failed .no network."):
        loaded("mnist", tmp_path, download=True)
