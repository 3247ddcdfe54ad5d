"""Images in memory, and which of them are in which batch: a function of seed, rank and step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from rgflow.runtime.seeds import generator_for

log = logging.getLogger(__name__)


class ImageTensor(Dataset[Tensor]):
    """Images ``(N, C, L, L)`` uint8, fetched a whole batch at a time.

    Args:
        images: All images, of which this set may be a part.
        index: Positions of this set's images in ``images``, ``(n,)`` int64; all of them if None.

    Example:
        >>> images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1)
        >>> part = ImageTensor(images, torch.tensor([3, 1]))
        >>> len(part), part.all().flatten().tolist()
        (2, [3, 1])
    """

    def __init__(self, images: Tensor, index: Tensor | None = None) -> None:
        self._images = images
        self._index = index

    def __len__(self) -> int:
        return len(self._images if self._index is None else self._index)

    def __getitem__(self, position: int) -> Tensor:
        return self.__getitems__(torch.tensor([position]))[0]

    def __getitems__(self, positions: Tensor) -> Tensor:
        """The images at ``positions`` ``(B,)`` int64, as one tensor ``(B, C, L, L)``."""
        return self._images[positions if self._index is None else self._index[positions]]

    def parts(self, size: int = 4096) -> Iterator[Tensor]:
        """All images of this set, at most `size` at a time."""
        for positions in torch.arange(len(self)).split(size):
            yield self.__getitems__(positions)

    def all(self) -> Tensor:
        """All images of this set, ``(n, C, L, L)`` uint8."""
        return self._images if self._index is None else self._images[self._index]


def permutation(size: int, *seed: int | str) -> Tensor:
    """A permutation of ``range(size)`` that depends on ``size`` and ``seed`` only."""
    return torch.randperm(size, generator=generator_for("permutation", *seed))


class ResumableBatches(Sampler[Tensor]):
    """Training batches that continue exactly where a run stopped.

    The batches of all steps form one endless stream. With ``G = batch_size * world_size`` images
    per step and ``S = N // G`` steps per pass over the images, step ``t`` takes the ``t mod S``-th
    group of ``G`` images of a permutation that is seeded with ``(seed, t // S)``; rank ``r`` takes
    the ``r``-th part of the group. The fewer than ``G`` images at a permutation's end are left out
    of that pass.

    Iterating yields ``steps_per_epoch`` batches from the step that ``start`` gives at that moment.
    The length of an epoch of the trainer is independent of the pass over the images.

    Args:
        size: Number ``N`` of images.
        batch_size: Images per step and rank.
        seed: Seed of the permutations.
        rank: This process, in ``[0, world_size)``.
        world_size: Number of processes.
        steps_per_epoch: Batches per iteration; one pass over the images if None.
        start: Gives the number of batches already used, read at each ``__iter__``.

    Raises:
        ValueError: If there are fewer images than one step of all ranks takes.

    Example:
        >>> batches = ResumableBatches(size=10, batch_size=2, seed=0, start=lambda: 3)
        >>> torch.equal(next(iter(batches)), batches.batch(3))
        True
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        steps_per_epoch: int | None = None,
        start: Callable[[], int] = lambda: 0,
    ) -> None:
        if size < batch_size * world_size:
            raise ValueError(
                f"too few training images: got {size}, expected at least batch_size x ranks = "
                f"{batch_size} x {world_size}; lower data.batch_size or add images"
            )
        self._size, self._batch_size, self._seed = size, batch_size, seed
        self._rank, self._world_size, self._start = rank, world_size, start
        self._steps_per_pass = size // (batch_size * world_size)
        self._length = self._steps_per_pass if steps_per_epoch is None else steps_per_epoch
        self._pass: tuple[int, Tensor] | None = None

    @property
    def order(self) -> dict[str, int]:
        """The numbers that the batches of all ranks depend on, besides the step."""
        return {
            "images": self._size,
            "batch_size": self._batch_size,
            "ranks": self._world_size,
            "seed": self._seed,
        }

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Tensor]:
        first = self._start()
        for step in range(first, first + self._length):
            yield self.batch(step)

    def batch(self, step: int) -> Tensor:
        """Positions ``(batch_size,)`` of this rank's images at ``step``."""
        number, within = divmod(step, self._steps_per_pass)
        if self._pass is None or self._pass[0] != number:
            self._pass = (number, permutation(self._size, "order", self._seed, number))
        begin = (within * self._world_size + self._rank) * self._batch_size
        return self._pass[1][begin : begin + self._batch_size]


class ResumableLoader(DataLoader[Tensor]):
    """A loader over :class:`ResumableBatches` that checkpoints know to continue exactly.

    The position is the trainer's step; what a checkpoint keeps is what the order depends on
    besides.
    """

    def state_dict(self) -> dict[str, int]:
        """What the order of the images depends on."""
        return self.batch_sampler.order

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Warns if the order is not that of the run that is resumed."""
        for name, number in self.batch_sampler.order.items():
            if state.get(name) != number:
                log.warning(
                    "resuming with %s=%s instead of %s: "
                    "the images come in another order than in an uninterrupted run",
                    name,
                    number,
                    state.get(name),
                )


def evaluation_batches(
    size: int, batch_size: int, rank: int = 0, world_size: int = 1
) -> list[Tensor]:
    """All of ``range(size)`` once, dealt out to the ranks in turn, in batches.

    Raises:
        ValueError: If a rank would get no image.

    Example:
        >>> evaluation_batches(size=5, batch_size=2, rank=1, world_size=2)
        [tensor([1, 3])]
    """
    if size < world_size:
        raise ValueError(
            f"too few images to evaluate: got {size}, expected one per rank, {world_size}"
        )
    return list(torch.arange(rank, size, world_size).split(batch_size))
