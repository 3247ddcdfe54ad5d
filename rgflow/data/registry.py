"""The image sets that are known, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rgflow.data.batches import ImageTensor
from rgflow.data.folder import load_folder
from rgflow.data.msds import SPLITS, load_msds
from rgflow.data.splits import Request, Splits
from rgflow.data.torchvision_sets import load_celeba, load_cifar10, load_mnist_family

MSDS_SIZES = {"train": 90_000, "validation": 2_000, "test": 10_000}


def load_msds_splits(request: Request) -> Splits:
    """The three sets of MSDS1 or MSDS2, each from a random stream of its own, with labels."""
    kind = int(request.dataset.removeprefix("msds"))
    images, labels = {}, {}
    for split in SPLITS:
        wanted = getattr(request, f"{split}_size")
        count = MSDS_SIZES[split] if wanted is None else wanted
        drawn = load_msds(request.cache_dir, kind, count, request.side, request.data_seed, split)
        images[split], labels[split] = ImageTensor(drawn.images), drawn.labels
    return Splits(**images, labels=labels)


class Source(NamedTuple):
    """An image set: the numbers of channels it can have, and its loader."""

    channels: tuple[int, ...]
    load: Callable[[Request], Splits]


SOURCES = {
    "msds1": Source((3,), load_msds_splits),
    "msds2": Source((3,), load_msds_splits),
    "mnist": Source((1,), load_mnist_family),
    "fashion_mnist": Source((1,), load_mnist_family),
    "cifar10": Source((3,), load_cifar10),
    "celeba": Source((3,), load_celeba),
    "folder": Source((3, 1), load_folder),
}
