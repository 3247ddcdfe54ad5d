"""What every image set provides: three disjoint sets of images, held as tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from rgflow.data.batches import ImageTensor


@dataclass(frozen=True)
class Splits:
    """The three sets, disjoint, for MSDS the labels of each set by its name, and a line to log."""

    train: ImageTensor
    validation: ImageTensor
    test: ImageTensor
    labels: dict[str, Tensor] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Request:
    """What is asked of an image set; the meanings are those of ``ImageDataModule``'s arguments."""

    dataset: str
    root: Path
    cache_dir: Path
    side: int
    channels: int
    train_size: int | None
    validation_size: int | None
    test_size: int | None
    data_seed: int
    download: bool
    skip_broken: bool
    max_megapixels: float


def taken(order: Tensor, size: int | None, what: str) -> Tensor:
    """The first ``size`` positions of ``order``, all if None.

    Raises:
        ValueError: If there are fewer.
    """
    if size is not None and size > len(order):
        raise ValueError(
            f"{what}: got {size}, expected at most the {len(order)} images that are left for it"
        )
    return order if size is None else order[:size]


def carved(order: Tensor, request: Request) -> tuple[Tensor, Tensor]:
    """Training and validation positions out of the images that are not for testing.

    Validation takes the end of ``order`` and training the beginning of the rest, so that the
    validation images are the same for any ``train_size``. Without a ``validation_size`` it is a
    tenth.

    Args:
        order: Positions ``(N,)`` in a fixed random order.
        request: Gives ``train_size`` and ``validation_size``.

    Raises:
        ValueError: If there are too few images.
    """
    wanted = request.validation_size
    validation_size = max(1, len(order) // 10) if wanted is None else wanted
    if validation_size >= len(order):
        raise ValueError(
            f"{request.dataset}: got {len(order)} images to train and validate on, "
            f"expected more than validation_size={validation_size}"
        )
    rest = len(order) - validation_size
    return taken(order[:rest], request.train_size, "train_size"), order[rest:]
