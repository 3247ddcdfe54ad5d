import numpy as np
import pytest
import torch
from PIL import Image

from rgflow.data.image_files import read_image
from rgflow.plotting.images import field_image, labelled_grid, save_figure, save_image, tile


def shades(count, channels=3, side=4):
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None] * 10
    return images.expand(count, channels, side, side)


def test_tile_puts_images_in_their_places():
    grid = tile(shades(5), columns=3, scale=2, gap=1)
    assert grid.shape == (3, 19, 28)
    assert grid[:, 1 + 9 : 9 + 9, 1 + 9 : 9 + 9].unique().tolist() == [40]  # row 1, column 1
    assert grid[:, 1:9, 19:27].unique().tolist() == [20]  # row 0, column 2
    assert grid[:, 0].unique().tolist() == [128]
    assert tile(shades(2, channels=1), columns=2).shape[0] == 3


@pytest.mark.parametrize("images", [shades(2).float(), shades(2, 2), shades(2)[0], shades(0)])
def test_what_is_no_image_is_refused(images):
    with pytest.raises(ValueError, match="got images of shape"):
        tile(images, 2)


def test_saved_image_is_read_back(tmp_path):
    image = torch.randint(0, 256, (3, 6, 6), dtype=torch.uint8)
    save_image(image, tmp_path / "x.png")
    assert torch.equal(read_image(tmp_path / "x.png", 6, 3), image)
    with pytest.raises(ValueError, match=r"expected one that ends in \.png"):
        save_image(image, tmp_path / "x.jpg")


def test_fields_have_the_colours_of_their_signs():
    fields = torch.tensor([[[[-2.0, 0.0, 2.0]]], [[[-1.0, 0.0, 1.0]]]])
    images = field_image(fields)
    assert images.dtype == torch.uint8
    red, _, blue = images.int()[:, :, 0].unbind(1)  # (N, 3) each
    assert (red < blue)[:, 0].all()
    assert (red > blue)[:, 2].all()
    assert (images[0, :, 0, 1] == images[1, :, 0, 1]).all()  # zero is white
    assert images[0, :, 0, 0].sum() < images[1, :, 0, 0].sum()  # one scale for all
    assert field_image(torch.zeros(1, 2, 4, 4)).min() > 240
    fields[0, 0, 0, 1] = torch.nan
    assert (field_image(fields)[0, :, 0, 1] == 0).all()
    fields[0, 0, 0, 1] = 0
    assert (field_image(fields) == images).all()


def test_figures_have_labels(tmp_path):
    figure = labelled_grid([shades(3), shades(3)], ["fine", "coarse"], [[], list("abc")])
    assert [axis.get_ylabel() for axis in figure.axes[::3]] == ["fine", "coarse"]
    assert [axis.get_title() for axis in figure.axes] == ["", "", "", "a", "b", "c"]
    save_figure(figure, tmp_path / "x.png")
    assert np.asarray(Image.open(tmp_path / "x.png")).std() > 0
    narrow, wide = (labelled_grid([shades(2)], title=title) for title in ("", "a title " * 9))
    assert wide.get_figwidth() > 72 * 0.07 > narrow.get_figwidth()
    with pytest.raises(ValueError, match="row labels: got 1, expected 2"):
        labelled_grid([shades(1), shades(1)], row_labels=["a"])
    with pytest.raises(ValueError, match="image labels: got 1, expected 2"):
        labelled_grid([shades(2)], image_labels=[["a"]])
