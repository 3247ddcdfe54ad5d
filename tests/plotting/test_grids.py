import numpy as np
import pytest
import torch
from PIL import Image

from rgflow.models import ConvLevels, conv_flow
from rgflow.plotting.grids import MARGIN, TITLE, Panel, grid_figure, most_shown, samples_figure
from rgflow.plotting.images import save_figure


def shades(count, side=4):
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None] * 10
    return images.expand(count, 3, side, side)


def drawn(figure, path):
    save_figure(figure, path)
    return np.asarray(Image.open(path))[..., :3]


def test_panels_are_exact_to_the_pixel_and_have_titles(tmp_path):
    panels = [Panel("one", shades(4)), Panel("two\nlines", shades(4) + 100)]
    figure = grid_figure(panels)
    assert [text.get_text() for text in figure.texts] == ["one", "two\nlines"]
    picture = drawn(figure, tmp_path / "x.png")
    below = picture[MARGIN + 2 * TITLE :]
    assert set(np.unique(below[:-MARGIN])) == {0, 10, 20, 30, 100, 110, 120, 130, 128, 255}
    assert (below[2:258, MARGIN + 2 : MARGIN + 258] == 0).all()  # the first image, enlarged
    assert (below[260:516, MARGIN + 260 : MARGIN + 516] == 30).all()  # the last of four


def test_small_images_are_enlarged_and_large_ones_are_few(tmp_path):
    preview = drawn(grid_figure([Panel("", shades(16, 32))], columns=8), tmp_path / "x.png")
    assert preview.shape[1] > 1000
    assert [most_shown(side) for side in (8, 32, 64, 256, 4096)] == [1024, 1024, 1024, 64, 1]


def test_fields_have_a_bar_of_their_colours(tmp_path):
    flow = conv_flow(side=4, channels=1, levels=ConvLevels((2,), hidden=4))
    x = torch.zeros(4, 1, 4, 4)
    x[0, 0, 0, 0] = -2.5
    figure = samples_figure(flow, x, "4 samples, temperature 0.8")
    (bar,) = figure.axes
    assert bar.get_ylabel() == "field"
    assert bar.get_ylim() == (-2.5, 2.5)
    assert figure.texts[0].get_text() == "4 samples, temperature 0.8"


def test_what_is_no_image_is_refused():
    with pytest.raises(ValueError, match="got images of shape"):
        grid_figure([Panel("none", shades(0))])
