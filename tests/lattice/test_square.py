"""The eight symmetries of the square."""

import torch

from rgflow.lattice.square import IMAGES, square_image, square_images, turned_at_random


def test_images_are_the_group_of_the_square():
    x = torch.arange(9.0).view(1, 1, 3, 3)
    images = [image.flatten().tolist() for image in square_images(x)]
    assert len({tuple(image) for image in images}) == IMAGES == 8
    for first in range(IMAGES):
        for second in range(IMAGES):  # closed
            assert square_image(square_image(x, first), second).flatten().tolist() in images
        assert square_image(x, first)[0, 0, 1, 1] == 4  # about the middle
        corners = square_image(x, first)[0, 0, ::2, ::2].flatten()
        assert sorted(corners.tolist()) == [0, 2, 6, 8]


def test_fields_are_turned_by_chance_and_alike_with_one_seed():
    x = torch.arange(16.0).view(1, 1, 4, 4).expand(4000, 2, 4, 4)
    turned = turned_at_random(x, torch.Generator().manual_seed(0))
    assert torch.equal(turned, turned_at_random(x, torch.Generator().manual_seed(0)))
    which = torch.stack([(turned == image).flatten(1).all(1) for image in square_images(x)])
    assert (which.sum(0) == 1).all()
    counts = which.sum(1).double()
    assert (counts - 500).abs().max() < 4 * (4000 * 7 / 64) ** 0.5
