"""A plain folder of images of any sizes."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import torch
from torch import Tensor

from rgflow.data.batches import ImageTensor
from rgflow.data.image_files import read_images
from rgflow.data.splits import Request, Splits, carved
from rgflow.data.tensor_cache import load_or_build

log = logging.getLogger(__name__)

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_FEWEST = 3  # one image for each of training, validation and test


def list_images(root: Path) -> list[Path]:
    """Image files below ``root``, at any depth, sorted; hidden files and folders are skipped.

    Raises:
        FileNotFoundError: If ``root`` is not a folder.
    """
    if not root.is_dir():
        raise FileNotFoundError(
            f"no folder {root}; expected one with images ({', '.join(SUFFIXES)}): set data.root"
        )
    found = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [
            Path(folder, name)
            for name in names
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    return sorted(found)


def load_folder(request: Request) -> Splits:
    """Training, validation and test images from the images below ``request.root``.

    Images are ordered by a hash of ``data_seed`` and the content of their files: test takes the
    first, validation the last, training starts after test. So the split depends neither on names
    nor on ``side``, a new image moves few others, and of identical files only one is kept. Without
    sizes, validation and test take a tenth each.

    The decoded images are kept in ``cache_dir`` and decoded again when a file is added, removed or
    touched.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there are too few images, or one cannot be read.
    """
    paths = list_images(request.root)
    if len(paths) < _FEWEST:
        raise ValueError(
            f"too few images: got {len(paths)} below {request.root}, expected at least {_FEWEST} "
            f"({', '.join(SUFFIXES)})"
        )

    def build() -> dict[str, Tensor]:
        images = read_images(paths, request.side, request.channels)
        return {"images": images, "digests": torch.stack([_digest(path) for path in paths])}

    # other folders have other names, for their caches may lie together
    place = hashlib.sha256(os.fsencode(request.root.resolve())).hexdigest()[:12]
    name = f"folder-{place}-{request.side}x{request.side}x{request.channels}.cache"
    recipe = f"folder v1 {request.side} {request.channels} {_fingerprint(request.root, paths)}"
    changed = f"the folder {request.root} has changed"
    built = load_or_build(request.cache_dir / name, recipe, build, changed)
    order = _order(built["digests"], request.data_seed)
    if len(order) < len(paths):
        log.info("%d of %d images are copies of others", len(paths) - len(order), len(paths))
    if len(order) < _FEWEST:
        raise ValueError(
            f"too few images: got {len(order)} different ones below {request.root}, "
            f"expected at least {_FEWEST}"
        )
    wanted = request.test_size
    test_size = max(1, len(order) // 10) if wanted is None else wanted
    if test_size >= len(order):
        raise ValueError(
            f"too few images: got {len(order)} below {request.root}, "
            f"expected more than test_size={test_size}"
        )
    train, validation = carved(order[test_size:], request)
    images = built["images"]
    return Splits(
        ImageTensor(images, train),
        ImageTensor(images, validation),
        ImageTensor(images, order[:test_size]),
    )


def _digest(path: Path) -> Tensor:
    """SHA-256 of a file, ``(32,)`` uint8."""
    return torch.tensor(list(hashlib.sha256(path.read_bytes()).digest()), dtype=torch.uint8)


def _fingerprint(root: Path, paths: list[Path]) -> str:
    """Changes when a file is added, removed, renamed or written."""
    digest = hashlib.sha256()
    for path in paths:
        status = path.stat()
        line = f"{path.relative_to(root)} {status.st_size} {status.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _order(digests: Tensor, seed: int) -> Tensor:
    """Positions of the different contents, sorted by a seeded hash of the content."""
    first = {}
    for position, digest in enumerate(digests.numpy()):
        first.setdefault(digest.tobytes(), position)
    key = {content: hashlib.sha256(f"{seed} ".encode() + content).digest() for content in first}
    return torch.tensor([first[content] for content in sorted(first, key=key.__getitem__)])
