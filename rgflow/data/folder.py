"""A plain folder of images of any sizes."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.data.batches import ImageTensor
from rgflow.data.decoding import Form
from rgflow.data.image_files import read_images
from rgflow.data.splits import Request, Splits, carved
from rgflow.data.tensor_cache import load_or_build

log = logging.getLogger(__name__)

# Pillow knows these by their names alone, or needs another program to decode them.
_NOT_DECODED = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
_FEWEST = 3  # one image for each of training, validation and test
_NAMED = 8  # suffixes of which the number of files is told
_NO_FILE = "links to nothing and the like"


def suffixes() -> tuple[str, ...]:
    """What the names of the files end in that Pillow can decode, in small letters."""
    from PIL import Image

    Image.init()
    names = Image.registered_extensions().items()
    return tuple(sorted(s for s, kind in names if kind in Image.OPEN and kind not in _NOT_DECODED))


class Found(NamedTuple):
    """The image files below a folder, sorted, and how many others there are of each suffix."""

    paths: list[Path]
    passed_over: Counter[str]


def find_images(root: Path) -> Found:
    """Image files below ``root``, at any depth and through links to folders.

    Hidden files and folders are left out. A folder to which several ways lead counts once, so that
    links in circles do no harm.

    Raises:
        FileNotFoundError: If ``root`` is not a folder.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}; expected one with images: set data.root")
    known = suffixes()
    paths: list[Path] = []
    passed_over: Counter[str] = Counter()
    seen: set[tuple[int, int]] = set()

    def warn(error: OSError) -> None:
        log.warning("passed over the folder %s: %s", error.filename, error.strerror)

    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=warn):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for path in (Path(folder, name) for name in names if not name.startswith(".")):
            suffix = path.suffix.lower()
            if suffix not in known:
                passed_over[suffix or "no suffix"] += 1
            elif not path.is_file():
                passed_over[_NO_FILE] += 1
            else:
                paths.append(path)
    return Found(sorted(paths), passed_over)


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
        ValueError: If there are too few images, or one cannot be used and ``skip_broken`` is not
            set.
    """
    paths, passed_over = find_images(request.root)
    if len(paths) < _FEWEST:
        raise ValueError(
            f"too few images: got {len(paths)} below {request.root}{_but(passed_over)}, expected "
            f"at least {_FEWEST}"
        )
    # other folders have other names, for their caches may lie together
    place = hashlib.sha256(os.fsencode(request.root.resolve())).hexdigest()[:12]
    form = Form(request.side, request.channels, max_megapixels=request.max_megapixels)

    def build() -> dict[str, Tensor]:
        broken = request.cache_dir / f"folder-{place}-broken.txt"
        images, positions = read_images(paths, form, broken, request.skip_broken)
        used = [paths[i] for i in positions.tolist()]
        digests = torch.stack([_digest(p) for p in used]) if used else torch.empty(0, 32)
        return {"images": images, "digests": digests}

    name = f"folder-{place}-{request.side}x{request.side}x{request.channels}.cache"
    rules = f"{form.side} {form.channels} {form.max_megapixels:g} {request.skip_broken}"
    recipe = f"folder v2 {rules} {_fingerprint(request.root, paths)}"
    changed = f"the folder {request.root} or what is used of it has changed"
    built = load_or_build(request.cache_dir / name, recipe, build, changed)
    order = _order(built["digests"], request.data_seed)
    note = _note(request.root, len(order), len(paths), len(built["images"]), passed_over)
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
        note=note,
    )


def _note(root: Path, used: int, found: int, sound: int, passed_over: Counter[str]) -> str:
    """What is used of a folder, in one line."""
    left_out = [f"{found - sound} broken"] if found > sound else []
    left_out += [f"{sound - used} copies of others"] if sound > used else []
    reason = f" ({', '.join(left_out)})" if left_out else ""
    return (
        f"using {used} of {found} images below {root}{reason}, each cropped to its central "
        f"square{_but(passed_over)}"
    )


def _but(passed_over: Counter[str]) -> str:
    if not passed_over:
        return ""
    kinds = passed_over.most_common()
    named = [f"{count} {suffix}" for suffix, count in kinds[:_NAMED]]
    if len(kinds) > _NAMED:
        named.append(f"{sum(count for _, count in kinds[_NAMED:])} others")
    return f"; passed over what is no image: {', '.join(named)}"


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
