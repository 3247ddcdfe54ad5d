"""The eight symmetries of the square: rotations by quarter turns, and mirror images."""

from collections.abc import Iterator

import torch
from torch import Tensor

IMAGES = 8


def square_image(x: Tensor, number: int) -> Tensor:
    """One of the eight images of fields under the symmetries of the square.

    Images 0 to 3 are turned by so many quarters; 4 to 7 are those, transposed. The inverse of a
    quarter turn is the turn by three quarters; all others are their own inverses.

    Args:
        x: Fields ``(..., L, L)``.
        number: Which image, from 0, the field itself, to 7.

    >>> import torch
    >>> square_image(torch.tensor([[1, 2], [3, 4]]), 1).tolist()
    [[2, 4], [1, 3]]
    """
    turned = x.rot90(number % 4, (-2, -1))
    return turned.transpose(-2, -1) if number >= 4 else turned


def square_images(x: Tensor) -> Iterator[Tensor]:
    """All eight images, the field itself first."""
    return (square_image(x, number) for number in range(IMAGES))


def turned_at_random(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Fields ``(B, C, L, L)``, each turned into one of its images by chance."""
    chosen = torch.randint(IMAGES, (len(x),), generator=generator, device=x.device)
    turned = torch.empty_like(x)
    for number in range(IMAGES):
        mine = chosen == number
        turned[mine] = square_image(x[mine], number)
    return turned
