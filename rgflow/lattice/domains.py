"""Domains of one sign on the periodic lattice, and the walls between them."""

from __future__ import annotations

import torch
from torch import Tensor


def unlike_neighbours(x: Tensor) -> Tensor:
    """Share of nearest neighbours with a negative product, ``(B, C, L, L) -> (B,)`` in float64.

    >>> unlike_neighbours(torch.ones(1, 1, 4, 4)).item()
    0.0
    """
    products = torch.cat([(x * x.roll(1, axis)).sum(1) for axis in (-2, -1)], -1)
    return (products < 0).double().mean((-2, -1))


def has_winding_walls(x: Tensor) -> Tensor:
    """Whether domains of both signs go around the torus, ``(B, 1, L, L) -> (B,)``.

    Then there are at least two walls between them that go around it as well, which no local
    change can take away.

    Raises:
        ValueError: If there is not one component.

    >>> stripes = torch.ones(1, 1, 4, 4)
    >>> stripes[..., 2:] = -1
    >>> has_winding_walls(stripes).item()
    True
    """
    if x.dim() != 4 or x.shape[1] != 1:
        raise ValueError(f"got fields of shape {tuple(x.shape)}, expected (B, 1, L, L)")
    positive = x[:, 0] > 0
    return (_wind(positive) | _wind(positive.mT)).all(1)


def _wind(positive: Tensor) -> Tensor:
    """Whether domains of both signs, ``(B, 2)``, go around along the first axis of ``(B, H, W)``.

    They do if a site is connected with its own image in the lattice of twice the height.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    height = positive.shape[1]
    doubled = torch.cat((positive, positive), 1)
    site = torch.arange(doubled.numel()).view(doubled.shape)
    pairs = [
        torch.stack((site, site.roll(1, axis)))[:, doubled == doubled.roll(1, axis)]
        for axis in (1, 2)
    ]
    first, second = torch.cat(pairs, 1).numpy()
    graph = coo_array((torch.ones(len(first)).numpy(), (first, second)), (site.numel(),) * 2)
    label = torch.from_numpy(connected_components(graph, directed=False)[1]).view(doubled.shape)
    around = label[:, :height] == label[:, height:]
    by_sign = [around & (positive == sign) for sign in (True, False)]
    return torch.stack([found.flatten(1).any(1) for found in by_sign], 1)
