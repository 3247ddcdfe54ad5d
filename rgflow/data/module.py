"""The Lightning data module for all image sets."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
from torch import Tensor
from torch.utils.data import DataLoader

from rgflow.data.batches import ImageTensor, ResumableBatches, ResumableLoader, evaluation_batches
from rgflow.data.decoding import MAX_MEGAPIXELS
from rgflow.data.msds import SPLITS, check_msds
from rgflow.data.registry import SOURCES
from rgflow.data.splits import Request, Splits

log = logging.getLogger(__name__)


class ImageDataModule(lightning.LightningDataModule):
    """Training, validation and test images of one set, as plain uint8 batches ``(B, C, L, L)``.

    The three sets are disjoint and depend on ``data_seed`` only: neither on batch size, ranks and
    ``seed``, nor, for validation and test, on ``train_size``. Training batches are a pure function
    of ``(seed, rank, ranks, step)``, see `ResumableBatches`, so that a resumed run sees the
    batches it would have seen. Evaluation takes every image once. The trainer
    must have ``use_distributed_sampler=False``.

    Dequantization and flips are drawn in the training step, seeded by the step, not here.

    Args:
        dataset: One of ``msds1``, ``msds2``, ``mnist``, ``fashion_mnist``, ``cifar10``,
            ``celeba``, ``folder``.
        root: Folder of the files (``folder``: the images themselves; MSDS: only the default of
            ``cache_dir``).
        side: Side ``L`` of the images in pixels.
        channels: Channels ``C``; the set's own number if None (``folder``: 3).
        batch_size: Training images per step and rank.
        eval_batch_size: Validation and test images per batch and rank.
        train_size: Number of training images; all (MSDS: 90,000) if None.
        validation_size: Number of validation images. None: 2,000 for MSDS, the set's own
            validation part for CelebA, a tenth of the images not used for testing otherwise.
        test_size: Number of test images. None: 10,000 for MSDS, the set's own test part, for
            ``folder`` a tenth.
        horizontal_flip: Whether the training step should mirror images at random; only stored
            here.
        steps_per_epoch: Batches in an epoch of the trainer; one pass over the images if None.
        num_workers: Loader processes; 0 is fastest as images are in memory.
        seed: Seed of the order of the training images.
        data_seed: Seed of the images themselves (MSDS) or of their split.
        cache_dir: Folder for generated or decoded images; ``root/rgflow-cache`` if None. For
            ``folder``, where root is the user's own, ``rgflow-cache`` in ``$RGFLOW_DATA`` or, if
            that is not set, in ``data``.
        download: Whether torchvision may fetch missing files.
        skip_broken: Whether to leave out image files that cannot be used (``folder`` and
            ``celeba``), with a warning, and not refuse them.
        max_megapixels: Largest image file of ``folder`` that is decoded, in millions of pixels;
            JPEG files are reduced before that.

    Raises:
        ValueError: At construction for numbers or names that cannot be; in ``prepare_data`` and
            ``setup`` for damaged files and too few images.
        FileNotFoundError: In ``prepare_data`` and ``setup`` if files are missing.
    """

    def __init__(
        self,
        dataset: str,
        root: str = "data",
        side: int = 32,
        channels: int | None = None,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        train_size: int | None = None,
        validation_size: int | None = None,
        test_size: int | None = None,
        horizontal_flip: bool = False,
        steps_per_epoch: int | None = None,
        num_workers: int = 0,
        seed: int = 0,
        data_seed: int = 0,
        cache_dir: str | None = None,
        download: bool = False,
        skip_broken: bool = False,
        max_megapixels: float = MAX_MEGAPIXELS,
    ) -> None:
        super().__init__()
        if dataset not in SOURCES:
            raise ValueError(f"dataset: got {dataset!r}, expected one of {', '.join(SOURCES)}")
        known = SOURCES[dataset].channels
        if channels is not None and channels not in known:
            raise ValueError(
                f"{dataset} channels: got {channels}, expected {' or '.join(map(str, known))}"
            )
        for name, number, least in (
            ("side", side, 2),
            ("batch_size", batch_size, 1),
            ("eval_batch_size", eval_batch_size, 1),
            ("train_size", train_size, batch_size),
            ("validation_size", validation_size, 1),
            ("test_size", test_size, 1),
            ("steps_per_epoch", steps_per_epoch, 1),
            ("num_workers", num_workers, 0),
            ("max_megapixels", max_megapixels, 1),
        ):
            if number is not None and number < least:
                raise ValueError(f"{dataset} {name}: got {number}, expected at least {least}")
        if dataset.startswith("msds"):
            check_msds(int(dataset[-1]), 1, side, "train")
        folder = Path(root).expanduser()
        self._request = Request(
            dataset=dataset,
            root=folder,
            cache_dir=_cache_dir(dataset, folder, cache_dir),
            side=side,
            channels=known[0] if channels is None else channels,
            train_size=train_size,
            validation_size=validation_size,
            test_size=test_size,
            data_seed=data_seed,
            download=download,
            skip_broken=skip_broken,
            max_megapixels=max_megapixels,
        )
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.steps_per_epoch, self.num_workers = steps_per_epoch, num_workers
        self.horizontal_flip, self.seed = horizontal_flip, seed
        self._splits: Splits | None = None

    @property
    def event_shape(self) -> tuple[int, int, int]:
        """Shape ``(C, L, L)`` of one image; known without any file."""
        return (self._request.channels, self._request.side, self._request.side)

    @property
    def labels(self) -> dict[str, Tensor]:
        """Labels ``(N, cells, 6)`` of MSDS by name of the split; empty for other sets."""
        return self._loaded().labels

    def images(self, split: str) -> Tensor:
        """All images of a split, ``(N, C, L, L)`` uint8.

        Raises:
            ValueError: If ``split`` is not one of ``train``, ``validation``, ``test``.
        """
        return self.split(split).all()

    def split(self, split: str) -> ImageTensor:
        """The data set of a split; arguments and errors as :meth:`images`."""
        if split not in SPLITS:
            raise ValueError(f"split: got {split!r}, expected one of {', '.join(SPLITS)}")
        return getattr(self._loaded(), split)

    def prepare_data(self) -> None:
        """Downloads if allowed, and generates or decodes what is not yet in the cache."""
        SOURCES[self._request.dataset].load(self._request)

    def setup(self, stage: str | None = None) -> None:
        """Loads all three sets, once."""
        if self._splits is None:
            request = replace(self._request, download=False)
            self._splits = SOURCES[request.dataset].load(request)
            if self._splits.note and self._place()[0] == 0:
                log.info("%s", self._splits.note)

    def train_dataloader(self) -> ResumableLoader:
        """Batches from the step that the trainer has reached."""
        trainer, data = self.trainer, self.split("train")
        rank, world_size = self._place()
        accumulate = 1 if trainer is None else trainer.accumulate_grad_batches
        step_size = self.batch_size * world_size * accumulate
        if len(data) < step_size:
            raise ValueError(
                f"too few training images: got {len(data)}, expected at least batch_size x "
                f"ranks x accumulated batches = {self.batch_size} x {world_size} x {accumulate}; "
                "lower data.batch_size or add images"
            )
        steps = self.steps_per_epoch
        if steps is None:
            steps = len(data) // step_size * accumulate
        if steps % accumulate:  # a resumed run could not tell how many batches were used
            raise ValueError(
                f"steps_per_epoch: got {steps}, expected a multiple of "
                f"accumulate_grad_batches={accumulate}"
            )

        def batches_used() -> int:
            return 0 if trainer is None else trainer.global_step * accumulate

        order = ResumableBatches(
            len(data), self.batch_size, self.seed, rank, world_size, steps, batches_used
        )
        return ResumableLoader(data, batch_sampler=order, **self._options())

    def val_dataloader(self) -> DataLoader[Tensor]:
        """Every validation image once, split over the ranks."""
        return self._evaluation_loader("validation")

    def test_dataloader(self) -> DataLoader[Tensor]:
        """Every test image once, split over the ranks."""
        return self._evaluation_loader("test")

    def _evaluation_loader(self, split: str) -> DataLoader[Tensor]:
        data = self.split(split)
        batches = evaluation_batches(len(data), self.eval_batch_size, *self._place())
        return DataLoader(data, batch_sampler=batches, **self._options())

    def _options(self) -> dict[str, Any]:
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return {
            "collate_fn": _as_fetched,
            "num_workers": self.num_workers,
            "pin_memory": on_gpu,
        }

    def _place(self) -> tuple[int, int]:
        """Rank and number of ranks."""
        return (
            (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        )

    def _loaded(self) -> Splits:
        if self._splits is None:
            raise RuntimeError("call prepare_data() and setup() first")
        return self._splits


def _cache_dir(dataset: str, root: Path, wanted: str | None) -> Path:
    """Where generated or decoded images go."""
    if wanted is not None:
        return Path(wanted).expanduser()
    own = Path(os.environ.get("RGFLOW_DATA", "data")).expanduser()
    return (own if dataset == "folder" else root) / "rgflow-cache"


def _as_fetched(batch: Tensor) -> Tensor:
    """No collation: the data set fetches whole batches."""
    return batch
