"""MNIST, Fashion-MNIST, CIFAR-10 and CelebA through torchvision."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.data.batches import ImageTensor, permutation
from rgflow.data.decoding import Form
from rgflow.data.image_files import read_images, resized
from rgflow.data.splits import Request, Splits, carved, taken
from rgflow.data.tensor_cache import load_or_build

CELEBA_CROP = 148  # pixels, of 178 x 218: the published preprocessing
_TORCHVISION_NAMES = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "cifar10": "CIFAR10",
    "celeba": "CelebA",
}
# What a damaged gzip stream and torchvision's idx reader raise.
_UNREADABLE = (AssertionError, EOFError, OSError, ValueError, RuntimeError, KeyError, zlib.error)
_CELEBA_PARTS = {"train": "train", "validation": "valid", "test": "test"}


def load_mnist_family(request: Request) -> Splits:
    """MNIST or Fashion-MNIST from idx files, one channel.

    ``side=32`` pads the 28x28 images with two black pixels on each side, 28 leaves them as they
    are, any other side resizes them. The files may be gzipped and may lie in ``root`` itself, in
    ``root/NAME`` or in ``root/NAME/raw`` (torchvision's place), with NAME one of MNIST and
    FashionMNIST.

    Raises:
        FileNotFoundError: If the files are missing.
        ValueError: If they are damaged, or hold fewer images than asked for.
    """
    if request.download:
        _download(request, "train")
    folder = _TORCHVISION_NAMES[request.dataset]
    places = (request.root, request.root / folder, request.root / folder / "raw")
    pool, test = (
        _fitted(_read_idx(_find_idx(f"{part}-images-idx3-ubyte", places, request)), request.side)
        for part in ("train", "t10k")
    )
    return _pool_and_test(pool, test, request)


def load_cifar10(request: Request) -> Splits:
    """CIFAR-10 from torchvision's ``root/cifar-10-batches-py``, resized if ``side`` is not 32.

    The files are Python pickles: they are opened only if they have their published checksums.

    Raises:
        FileNotFoundError: If the files are missing.
        ValueError: If they are damaged, or hold fewer images than asked for.
    """
    from torchvision.datasets import CIFAR10

    if request.download:
        _download(request, "train")
    folder = request.root / CIFAR10.base_folder
    for name in [name for name, _ in CIFAR10.train_list + CIFAR10.test_list]:
        if not (folder / name).is_file():
            raise _missing(request, f"no {name} in {folder}")

    def images(train: bool) -> Tensor:
        try:
            data = CIFAR10(str(request.root), train=train).data
        except RuntimeError as error:
            raise ValueError(
                f"cifar10: a file in {folder} is damaged; expected the published checksums"
            ) from error
        return resized(torch.from_numpy(data).permute(0, 3, 1, 2).contiguous(), request.side)

    return _pool_and_test(images(train=True), images(train=False), request)


def load_celeba(request: Request) -> Splits:
    """CelebA from torchvision's ``root/celeba``: central 148x148 pixels, resized to ``side``.

    Its own partition gives training, validation and test images. Each part is decoded once (in
    threads; about 200,000 images in all) and kept in ``cache_dir``.

    Raises:
        FileNotFoundError: If the folder of images or one of the lists is missing.
        ValueError: If an image or a list cannot be read, or there are fewer images than asked for.
    """
    if request.download:
        _download(request, split="train")
    parts = {}
    for part, wanted in (
        ("train", request.train_size),
        ("validation", request.validation_size),
        ("test", request.test_size),
    ):
        images = _celeba_part(part, request)
        order = permutation(len(images), "celeba", part, request.data_seed)
        parts[part] = ImageTensor(images, taken(order, wanted, f"{part}_size"))
    return Splits(**parts)


def _celeba_part(part: str, request: Request) -> Tensor:
    folder = request.root / "celeba"
    names = _celeba_names(_CELEBA_PARTS[part], request)
    if not names:
        raise ValueError(f"celeba: got no {part} image in {folder}/list_eval_partition.txt")
    paths = [folder / "img_align_celeba" / name for name in names]
    listing = hashlib.sha256("\n".join(names).encode()).hexdigest()
    form = Form(request.side, 3, CELEBA_CROP)
    broken = request.cache_dir / f"celeba-{part}-broken.txt"
    skipping = " without broken files" if request.skip_broken else ""
    built = load_or_build(
        request.cache_dir / f"celeba-{part}-{request.side}x{request.side}.cache",
        f"celeba v1 {part} {request.side} {CELEBA_CROP} {listing}{skipping}",
        lambda: {"images": read_images(paths, form, broken, request.skip_broken).images},
    )
    return built["images"]


def _celeba_names(split: str, request: Request) -> list[str]:
    """File names of one part, in the order of CelebA's list."""
    from torchvision.datasets import CelebA

    class Listed(CelebA):
        # Without checksums of the text lists, so that a subset in the same format loads as well.
        file_list = [(key, None, name) for key, _, name in CelebA.file_list]  # noqa: RUF012

    folder = request.root / CelebA.base_folder
    for _, _, name in CelebA.file_list:
        wanted = name.removesuffix(".zip")  # the archive itself is needed no more once unpacked
        if not (folder / wanted).exists():
            raise _missing(request, f"no {wanted} in {folder}")
    try:
        return list(Listed(str(request.root), split=split, target_type=[]).filename)
    except (ValueError, IndexError) as error:
        raise ValueError(f"celeba: a list in {folder} is damaged: {error}") from error


def _pool_and_test(pool: Tensor, test: Tensor, request: Request) -> Splits:
    """Splits of a set that has training and test images only."""
    order = permutation(len(pool), request.dataset, "train", request.data_seed)
    train, validation = carved(order, request)
    test_order = permutation(len(test), request.dataset, "test", request.data_seed)
    return Splits(
        ImageTensor(pool, train),
        ImageTensor(pool, validation),
        ImageTensor(test, taken(test_order, request.test_size, "test_size")),
    )


def _find_idx(name: str, places: tuple[Path, ...], request: Request) -> Path:
    for place in places:
        for path in (place / name, place / f"{name}.gz"):
            if path.is_file():
                return path
    raise _missing(request, f"no {name} or {name}.gz in {', '.join(map(str, places))}")


def _read_idx(path: Path) -> Tensor:
    """The images in an idx file, gzipped or not: ``(N, 28, 28)`` uint8."""
    from torchvision.datasets.mnist import read_image_file

    try:
        if path.suffix != ".gz":
            images = read_image_file(str(path))
        else:
            with tempfile.TemporaryDirectory() as folder:
                plain = Path(folder, path.stem)
                with gzip.open(path) as packed, open(plain, "wb") as file:
                    shutil.copyfileobj(packed, file)
                images = read_image_file(str(plain))
    except _UNREADABLE as error:
        raise ValueError(f"cannot read {path}: truncated or damaged idx file ({error})") from error
    if images.shape[1:] != (28, 28):
        raise ValueError(f"{path}: got images {tuple(images.shape[1:])}, expected (28, 28)")
    return images


def _fitted(images: Tensor, side: int) -> Tensor:
    """``(N, 28, 28)`` to ``(N, 1, side, side)``."""
    images = images[:, None]
    return F.pad(images, (2, 2, 2, 2)) if side == 32 else resized(images, side)


def _missing(request: Request, what: str) -> FileNotFoundError:
    hint = {
        "mnist": "the four idx files of MNIST",
        "fashion_mnist": "the idx files (as in Debian's package dataset-fashion-mnist)",
        "cifar10": "the folder cifar-10-batches-py",
        "celeba": "the folder celeba with img_align_celeba/ and the text lists",
    }[request.dataset]
    return FileNotFoundError(
        f"{request.dataset}: {what}; set data.root to a folder that holds {hint}, "
        "or let torchvision fetch them with data.download=true"
    )


def _download(request: Request, split: str) -> None:
    import torchvision.datasets

    name = _TORCHVISION_NAMES[request.dataset]
    fetch: Callable[..., Any] = getattr(torchvision.datasets, name)
    part = {"split": split} if name == "CelebA" else {"train": split == "train"}
    try:
        fetch(str(request.root), download=True, **part)
    except (RuntimeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{request.dataset}: the download to {request.root} failed ({reason}); "
            "expected a connection, or the files in place and data.download=false"
        ) from error
