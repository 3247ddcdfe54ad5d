import pytest
import torch

from rgflow.analysis import nearest_images
from rgflow.data.batches import ImageTensor


def test_nearest_images_are_those_of_a_search_one_by_one():
    generator = torch.Generator().manual_seed(0)
    known = torch.randint(0, 256, (50, 3, 4, 4), dtype=torch.uint8, generator=generator)
    images = torch.randint(0, 256, (6, 3, 4, 4), dtype=torch.uint8, generator=generator)
    images[2] = known[33]  # a copy
    index = torch.arange(49, -1, -1)
    nearest, differences = nearest_images(images, ImageTensor(known, index).parts(7))
    squares = (images[:, None].double() - known.double()).square().mean((2, 3, 4))  # (6, 50)
    assert torch.equal(nearest, known[squares.argmin(1)])
    torch.testing.assert_close(differences.double(), squares.amin(1).sqrt())
    assert differences[2] == 0


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="empty set"):
        nearest_images(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), [])


def test_pixels_that_do_not_count_are_not_compared():
    images = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    images[..., 0] = 9
    near = torch.tensor([[[[9, 200], [9, 200]]], [[[8, 0], [8, 0]]]], dtype=torch.uint8)
    compared = torch.tensor([[True, False], [True, False]])
    found = nearest_images(images, [near], compared)
    assert torch.equal(found.images[0], near[0])
    assert found.differences.tolist() == [0.0]
    assert torch.equal(nearest_images(images, [near]).images[0], near[1])
