"""A smooth guess at unknown pixels, from where a search for better ones starts."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def filled(x: Tensor, unknown: Tensor) -> Tensor:
    """Replaces unknown pixels by the smoothest values that join the known ones around them.

    They solve the lattice's Laplace equation, in which every unknown pixel is the mean of its four
    neighbours; pixels at the border have fewer. If nothing is known, they are the middle 0.5.

    Args:
        x: ``(B, C, H, W)``.
        unknown: ``(H, W)`` bool.

    Returns:
        A tensor like x.

    >>> x = torch.tensor([[[[0.0, 9.0, 1.0]]]])
    >>> filled(x, torch.tensor([[False, True, False]])).tolist()
    [[[[0.0, 0.5, 1.0]]]]
    """
    height, width = unknown.shape
    mask = unknown.flatten().cpu()
    sites = mask.nonzero()[:, 0]
    flat = x.flatten(2)
    if len(sites) == len(mask):
        return torch.full_like(x, 0.5)
    number = torch.full((len(mask),), -1)
    number[sites] = torch.arange(len(sites))
    matrix = torch.zeros(len(sites), len(sites), dtype=torch.float64)
    known = torch.zeros(len(sites), *flat.shape[:2], dtype=torch.float64)
    rows, columns = sites // width, sites % width
    for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        r, c = rows + down, columns + right
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        here = inside.nonzero()[:, 0]
        there = r[here] * width + c[here]
        matrix[here, here] += 1
        is_unknown = mask[there]
        matrix[here[is_unknown], number[there[is_unknown]]] -= 1
        values = flat[..., there[~is_unknown].to(x.device)].double().cpu()
        known[here[~is_unknown]] += values.permute(2, 0, 1)
    solution = torch.linalg.solve(matrix, known.flatten(1)).view_as(known).permute(1, 2, 0)
    return flat.index_copy(2, sites.to(x.device), solution.to(x)).view_as(x)
