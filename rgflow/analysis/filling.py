"""A smooth guess at unknown pixels, from where a search for better ones starts."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu
from torch import Tensor


@torch.no_grad()
def filled(x: Tensor, unknown: Tensor, *, periodic: bool = False) -> Tensor:
    """Replaces unknown pixels by the smoothest values that join the known ones around them.

    They solve the lattice's Laplace equation, in which every unknown pixel is the mean of its four
    neighbours. If nothing is known, they are the middle 0.5.

    Args:
        x: ``(B, C, H, W)``.
        unknown: ``(H, W)`` bool.
        periodic: Whether opposite borders are neighbours, as for fields on a torus. Otherwise
            pixels at a border have fewer neighbours, as those of images have.

    Returns:
        A tensor like x.

    >>> x = torch.tensor([[[[0.0, 9.0, 1.0]]]])
    >>> filled(x, torch.tensor([[False, True, False]])).tolist()
    [[[[0.0, 0.5, 1.0]]]]
    """
    if unknown.all():
        return torch.full_like(x, 0.5)
    height, width = unknown.shape
    mask = unknown.flatten().cpu().numpy()
    sites = np.flatnonzero(mask)
    here, there = _bonds(sites, height, width, periodic)
    number = np.full(mask.size, -1)
    number[sites] = np.arange(len(sites))
    inner = mask[there]
    to_known = coo_array(
        (np.ones((~inner).sum()), (here[~inner], there[~inner])), (len(sites), mask.size)
    )
    rows = np.concatenate([here[inner], np.arange(len(sites))])
    columns = np.concatenate([number[there[inner]], np.arange(len(sites))])
    degrees = np.bincount(here, minlength=len(sites))
    entries = np.concatenate([-np.ones(inner.sum()), degrees])
    laplacian = coo_array((entries, (rows, columns)), (len(sites), len(sites))).tocsc()
    values = x.flatten(2).double().cpu().flatten(0, 1).T.numpy()  # (H W, B C)
    solution = torch.from_numpy(splu(laplacian).solve(to_known @ values))
    solution = solution.T.reshape(*x.shape[:2], -1).to(x)
    return x.flatten(2).index_copy(2, torch.from_numpy(sites).to(x.device), solution).view_as(x)


def _bonds(
    sites: np.ndarray, height: int, width: int, periodic: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The bonds from some sites: positions in the list of sites, and neighbours' numbers."""
    row, column = sites // width, sites % width
    here, there = [], []
    for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        r, c = row + down, column + right
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        joined = np.flatnonzero(inside | periodic)
        here.append(joined)
        there.append((r[joined] % height) * width + c[joined] % width)
    return np.concatenate(here), np.concatenate(there)
