"""The geometry of a MERA: the level of every latent, and inference and generation cones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Pattern = tuple[tuple[bool, ...], ...]
LARGEST_SIDE = 2**13
"""Largest side of a lattice; the geometry alone of a larger one would take gigabytes."""


class Reach(NamedTuple):
    """Which sites one layer couples, on the periodic lattice of its level.

    The lattice is cut into cells of side ``cell``, one of which has its corner at
    ``(-offset, -offset)``. In every cell the sites of the pattern ``writes`` change. Each of them
    depends on itself and on the sites of the pattern ``reads`` in all cells at most ``radius``
    cells away (Chebyshev distance, periodic). A coupling and its inverse have the same reach.

    Attributes:
        cell: Side of a cell, in sites.
        reads: ``(cell, cell)`` booleans, the sites that are read.
        writes: ``(cell, cell)`` booleans, the sites that are changed.
        radius: Number of neighbouring cells on each side that are read.
        offset: Shift of the grid of cells, in sites, along both axes.
    """

    cell: int
    reads: Pattern
    writes: Pattern
    radius: int = 0
    offset: int = 0

    def spread(self, mask: Tensor) -> Tensor:
        """The sites that depend on those of ``mask`` after this layer, both ``(..., L, L)``."""
        side, k = mask.shape[-1], self.cell
        cells = side // k
        rolled = mask.roll((self.offset, self.offset), (-2, -1)) if self.offset else mask
        blocks = rolled.reshape(-1, cells, k, cells, k).transpose(2, 3)  # (N, n, n, K, K)
        reads = torch.tensor(self.reads, dtype=torch.bool, device=mask.device)
        writes = torch.tensor(self.writes, dtype=torch.bool, device=mask.device)
        seen = (blocks & reads).flatten(-2).any(-1)  # (N, n, n)
        if 2 * self.radius + 1 >= cells:
            seen = seen.flatten(1).any(1)[:, None, None].expand_as(seen)
        elif self.radius:
            r = self.radius
            padded = F.pad(seen[:, None].float(), (r, r, r, r), mode="circular")
            seen = F.max_pool2d(padded, 2 * r + 1, stride=1)[:, 0] > 0
        blocks = blocks | (seen[..., None, None] & writes)
        rolled = blocks.transpose(2, 3).reshape(mask.shape)
        return rolled.roll((-self.offset, -self.offset), (-2, -1)) if self.offset else rolled


def full_pattern(cell: int) -> Pattern:
    """All sites of a cell."""
    return ((True,) * cell,) * cell


def checkerboard(cell: int, parity: int) -> Pattern:
    """The sites of a cell with ``(row + column) % 2 == parity``."""
    return tuple(tuple((i + j) % 2 == parity for j in range(cell)) for i in range(cell))


class Hierarchy:
    """The levels of a MERA on an ``L x L`` periodic lattice, and the cones of its latents.

    Level ``h`` acts on the sub-lattice of stride ``2**h`` and emits those of its sites that are
    not on the sub-lattice of stride ``2**(h + 1)``; the last level emits all of its sites.

    Args:
        side: Lattice side ``L``.
        reaches: For each level, fine to coarse, the reaches of its layers in forward order.

    Raises:
        ValueError: If ``side`` exceeds `LARGEST_SIDE` or is not divisible by ``2**(levels - 1)``,
            there is no level, or cells do not tile a level.

    >>> pair = Reach(2, full_pattern(2), full_pattern(2))
    >>> geometry = Hierarchy(4, [[pair], [pair]])
    >>> geometry.latents_per_level
    (12, 4)
    >>> pixel = torch.zeros(4, 4, dtype=torch.bool)
    >>> pixel[3, 3] = True
    >>> geometry.inference_cone(pixel).sum().item()  # 3 latents of its cell and 4 of the top
    7
    """

    def __init__(self, side: int, reaches: Sequence[Sequence[Reach]]) -> None:
        levels = len(reaches)
        if side > LARGEST_SIDE:
            raise ValueError(f"side: got {side}, expected at most {LARGEST_SIDE}")
        if levels < 1 or side % 2 ** (levels - 1):
            raise ValueError(
                f"side: got {side} and {levels} levels, expected one level or more and a multiple "
                f"of {2 ** max(0, levels - 1)}"
            )
        for level, layers in enumerate(reaches):
            for reach in layers:
                if (side >> level) % reach.cell:
                    raise ValueError(
                        f"cells of side {reach.cell} do not tile level {level} "
                        f"of side {side >> level}"
                    )
        self.side = side
        self.levels = levels
        self.reaches = tuple(tuple(layers) for layers in reaches)
        index = torch.arange(side)
        stride = torch.stack([index % 2**h == 0 for h in range(levels)]).sum(0) - 1
        self.level_of_site: Tensor = torch.minimum(stride[:, None], stride[None, :])

    def __repr__(self) -> str:
        return f"Hierarchy(side={self.side}, latents_per_level={self.latents_per_level})"

    @property
    def latents_per_level(self) -> tuple[int, ...]:
        """Number of sites emitted at each level, fine to coarse."""
        return tuple(int(self.level_mask(h).sum()) for h in range(self.levels))

    def level_mask(self, level: int) -> Tensor:
        """Mask ``(L, L)`` of the sites of the latent layout that are emitted at ``level``.

        Raises:
            ValueError: If there is no such level.
        """
        if level not in range(self.levels):
            raise ValueError(f"level {level} does not exist, expected 0 to {self.levels - 1}")
        return self.level_of_site == level

    def per_site(self, values: Sequence[float]) -> Tensor:
        """Gives each site of the latent layout the number of its level, ``(levels,) -> (L, L)``.

        Raises:
            ValueError: If there is not one number for each level.
        """
        if len(values) != self.levels:
            raise ValueError(
                f"got {len(values)} numbers, expected one for each of {self.levels} levels"
            )
        return torch.as_tensor(values, dtype=torch.get_default_dtype())[self.level_of_site]

    def inference_cone(self, pixel_mask: Tensor) -> Tensor:
        """Latents that the given pixels can change.

        Args:
            pixel_mask: ``(..., L, L)`` bool, sites of the image or field.

        Returns:
            Mask of the latent layout, of the same shape: the sites of those latents whose
            derivative with respect to one of the pixels is not identically zero.

        Raises:
            ValueError: For another shape or type.
        """
        mask = self._checked(pixel_mask).clone()
        for level, layers in enumerate(self.reaches):
            step = 2**level
            part = mask[..., ::step, ::step]
            for reach in layers:
                part = reach.spread(part)
            mask[..., ::step, ::step] = part
        return mask

    def generation_cone(self, latent_mask: Tensor) -> Tensor:
        """Pixels that the given latents can change.

        Args:
            latent_mask: ``(..., L, L)`` bool, sites of the latent layout.

        Returns:
            Mask of pixels, of the same shape: the sites of those pixels whose derivative with
            respect to one of the latents is not identically zero.

        Raises:
            ValueError: For another shape or type.
        """
        mask = self._checked(latent_mask).clone()
        for level in reversed(range(self.levels)):
            step = 2**level
            part = mask[..., ::step, ::step]
            for reach in reversed(self.reaches[level]):
                part = reach.spread(part)
            mask[..., ::step, ::step] = part
        return mask

    def _checked(self, mask: Tensor) -> Tensor:
        if mask.dtype != torch.bool or mask.shape[-2:] != (self.side, self.side):
            raise ValueError(
                f"got a mask of shape {tuple(mask.shape)} and type {mask.dtype}, "
                f"expected (..., {self.side}, {self.side}) of torch.bool"
            )
        return mask
