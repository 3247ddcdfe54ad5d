"""Residual mutual information between any two points of the bulk, and what it says of distance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.analysis.geometry.cells import BulkCells
from rgflow.analysis.geometry.distance import BulkDistance, bulk_distance
from rgflow.runtime.counts import takes_counts
from rgflow.statistics.information.all_pairs import ClassMeans, mean_pair_informations
from rgflow.statistics.information.gaussian_copula import gaussian_block_information


class BulkInformation(NamedTuple):
    """Mutual informations of all pairs of cells, equal for pairs that translations connect.

    Attributes:
        cells: The cells.
        orbits: The orbit of each pair of different cells, ``(n, n)``; -1 for a cell with itself.
        means: Information of each orbit, with errors and baselines.
    """

    cells: BulkCells
    orbits: Tensor
    means: ClassMeans

    @property
    def matrix(self) -> Tensor:
        """Information of all pairs, ``(n, n)`` nats; NaN for a cell with itself."""
        return _spread(self.means.information, self.orbits)

    @property
    def errors(self) -> Tensor:
        """Standard errors of all pairs, ``(n, n)``; NaN for a cell with itself."""
        return _spread(self.means.error, self.orbits)


class Profile(NamedTuple):
    """Information and distance along one direction of the bulk.

    Attributes:
        step: Distances along the boundary in cells of the level, or numbers of levels, ``(k,)``.
        information: Mean over all pairs of that kind, ``(k,)`` nats.
        covariance: Of the informations, ``(k, k)``.
    """

    step: Tensor
    information: Tensor
    covariance: Tensor

    @property
    def error(self) -> Tensor:
        """Standard errors of the informations, ``(k,)``."""
        return self.covariance.diagonal().sqrt()

    def distance(self, xi: float = 1.0, I0: float = 1.0) -> BulkDistance:
        """``-xi ln(I / I0)`` with its covariance, see `bulk_distance`."""
        return bulk_distance(self.information, xi, I0, covariance=self.covariance)

    def significant(self, sigmas: float = 4.0) -> Profile:
        """The leading part, up to the first information of less than some standard errors."""
        is_weak = ~(self.information > sigmas * self.error)
        count = int(is_weak.nonzero()[0]) if is_weak.any() else len(is_weak)
        return Profile(
            self.step[:count], self.information[:count], self.covariance[:count, :count]
        )


def pair_orbits(cells: BulkCells, steps: Sequence[int]) -> Tensor:
    """Orbits of pairs of cells under translations, ``(n, n)`` int64 from 0 on.

    Two pairs are of one orbit if a shift of the lattice by the step of the coarser of their levels
    maps one to the other.

    Args:
        cells: The cells.
        steps: For each level the shifts in pixels that leave its law unchanged.
    """
    level, side = cells.level, cells.side
    size = 2 ** (level + 1)
    corner = torch.stack((cells.row * size, cells.column * size), 1)  # (n, 2) pixels
    step = torch.tensor(list(steps))[level]
    shared = torch.maximum(step[:, None], step[None, :])[..., None]  # (n, n, 1)
    # the coarser cell's shift takes the first of the pair into the first step of the lattice
    shift = corner[:, None] // shared * shared
    first = (corner[:, None] - shift) % side
    second = (corner[None] - shift) % side
    key = torch.cat(
        (
            level[:, None, None].expand(-1, len(level), 1),
            level[None, :, None].expand(len(level), -1, 1),
            first.expand(-1, len(level), -1),
            second,
        ),
        -1,
    )
    return key.flatten(0, 1).unique(dim=0, return_inverse=True)[1].view(len(level), -1)


@takes_counts
def bulk_information(
    cells: BulkCells,
    z: Tensor,
    steps: Sequence[int] | None = None,
    *,
    blocks: int | None = None,
    permutations: int = 4,
    resamples: int = 100,
    seed: int = 0,
) -> BulkInformation:
    """Gaussian-copula informations of all pairs of cells, averaged over translations.

    Args:
        cells: The points of the bulk, see `bulk_cells`.
        z: Latents ``(N, C, L, L)`` of fields of the target, encoded by the flow; those of Markov
            chains chain after chain.
        steps: Shifts, in pixels by level, under which the law of the latents is invariant, see
            `translation_steps`; no translations are averaged if None.
        blocks: Number of blocks of samples for errors, see `mean_pair_informations`.
        permutations: Number of shuffles for the baseline.
        resamples: Number of bootstrap samples.
        seed: Seed of both.

    Raises:
        ValueError: As `mean_pair_informations`.
    """
    orbits = pair_orbits(cells, steps or [cells.side] * (int(cells.level.max()) + 1))
    classes, own = _without_diagonal(orbits)
    means = mean_pair_informations(
        cells.of(z),
        classes,
        orbits=own,
        blocks=blocks,
        permutations=permutations,
        resamples=resamples,
        seed=seed,
    )
    return BulkInformation(cells, classes, means)


def exact_bulk_information(
    cells: BulkCells, covariance: Tensor, steps: Sequence[int] | None = None
) -> BulkInformation:
    r"""The same for normal latents of known covariance, without an error.

    Args:
        cells: The points of the bulk.
        covariance: Of all latents, ``(C L L, C L L)``, in the order of a flattened latent.
        steps: Shifts under which the covariance is invariant; over them means are taken.
    """
    sites = cells.side**2
    channels = len(covariance) // sites
    index = torch.arange(channels * sites).view(1, channels, cells.side, cells.side)
    chosen = cells.of(index)[0].flatten()  # (n d)
    cells_count = len(cells.level)
    width = len(chosen) // cells_count
    own = covariance.double()[chosen][:, chosen]
    blocks = own.unflatten(0, (-1, width)).unflatten(2, (-1, width)).transpose(1, 2)
    roots = torch.linalg.cholesky(blocks.diagonal(dim1=0, dim2=1).permute(2, 0, 1))
    left = torch.linalg.solve_triangular(roots[:, None], blocks, upper=False)
    both = torch.linalg.solve_triangular(roots.mT[None], left, upper=True, left=False)
    distinct = ~torch.eye(cells_count, dtype=torch.bool)
    information = torch.zeros(cells_count, cells_count, dtype=torch.float64)
    information[distinct] = gaussian_block_information(both[distinct])
    orbits = pair_orbits(cells, steps or [cells.side] * (int(cells.level.max()) + 1))
    classes, _ = _without_diagonal(orbits)
    pairs = classes[distinct].bincount()
    sums = torch.zeros(len(pairs), dtype=torch.float64)
    mean = sums.index_add(0, classes[distinct], information[distinct]) / pairs
    none = torch.zeros_like(mean)
    means = ClassMeans(mean, none, none, none, none[None], mean.expand(2, -1), pairs, 0, 0)
    return BulkInformation(cells, classes, means)


def along_boundary(bulk: BulkInformation, level: int) -> Profile:
    """Information at one level against the distance along the axes, 1 to half the side, in cells.

    Args:
        bulk: Informations of all pairs.
        level: The level, with at least 2 cells along an axis.

    Raises:
        ValueError: If the level has fewer cells.
    """
    cells = bulk.cells
    count = cells.per_side(level)
    if count < 2:
        raise ValueError(f"level: got {level} with {count} cells aside, expected at least 2")
    at = (cells.level == level).nonzero().flatten()
    row, column = cells.row[at], cells.column[at]
    apart = []
    for place in (row, column):
        difference = (place[:, None] - place[None]).abs()
        apart.append(torch.minimum(difference, count - difference))
    along_axis = torch.where((apart[0] == 0) | (apart[1] == 0), apart[0] + apart[1], -1)
    kinds = [along_axis == r for r in range(1, count // 2 + 1)]
    orbits = bulk.orbits[at][:, at]
    return _profile(bulk, torch.arange(1, count // 2 + 1), [orbits[kind] for kind in kinds])


def along_scale(bulk: BulkInformation, level: int) -> Profile:
    """Information between a cell and the coarser cells that hold it, against levels in between.

    Args:
        bulk: Informations of all pairs.
        level: The finer level, below the last one.

    Raises:
        ValueError: If there is no coarser level.
    """
    cells = bulk.cells
    last = int(cells.level.max())
    if not 0 <= level < last:
        raise ValueError(f"level: got {level}, expected 0 to {last - 1}")
    fine = (cells.level == level).nonzero().flatten()
    found = []
    for other in range(level + 1, last + 1):
        coarse = (cells.level == other).nonzero().flatten()
        shift = other - level
        holds = (cells.row[fine, None] >> shift == cells.row[coarse]) & (
            cells.column[fine, None] >> shift == cells.column[coarse]
        )
        found.append(bulk.orbits[fine][:, coarse][holds])
    return _profile(bulk, torch.arange(1, last - level + 1), found)


def _profile(bulk: BulkInformation, step: Tensor, orbits: list[Tensor]) -> Profile:
    """Means over the pairs of some orbits, one set of pairs for each step."""
    count = len(bulk.means.information)
    weights = torch.stack([o.bincount(minlength=count).double() / len(o) for o in orbits])
    return Profile(step, *bulk.means.combined(weights))


def _without_diagonal(orbits: Tensor) -> tuple[Tensor, Tensor]:
    """Classes of pairs, one for each orbit of different cells, and orbits for all pairs."""
    own = torch.eye(len(orbits), dtype=torch.bool)
    classes = torch.full_like(orbits, -1)
    classes[~own] = orbits[~own].unique(return_inverse=True)[1]
    return classes, orbits


def _spread(values: Tensor, orbits: Tensor) -> Tensor:
    full = torch.full(orbits.shape, torch.nan, dtype=values.dtype)
    known = orbits >= 0
    full[known] = values[orbits[known]]
    return full
