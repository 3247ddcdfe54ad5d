import io

import numpy as np
import pytest
import torch
from PIL import Image

from rgflow.plotting.responses import LevelCurve, level_figure, response_image
from rgflow.plotting.sheets import SheetRow, sheet_figure


def pixels_of(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png")
    file.seek(0)
    return np.asarray(Image.open(file).convert("RGB"))


def find(pixels, colour):
    """Rows and columns of the pixels of one colour."""
    return np.nonzero((pixels == np.array(colour)).all(-1))


def test_images_stand_in_their_rows_and_columns_pixel_by_pixel():
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    images[:, 2] = 255
    images[1, :, 2, 5] = torch.tensor([255, 0, 0])
    rows = [SheetRow("a\none", images[:2]), SheetRow("a\ntwo", images[2:]), SheetRow("b", images)]
    pixels = pixels_of(sheet_figure(rows, "title", ["-1", "0", "1", "2"]))
    blue = find(pixels, [0, 0, 255])
    assert len(blue[0]) == (8 * 64 - 2) * 81  # 72 pixels for 8
    red = find(pixels, [255, 0, 0])
    assert len(red[0]) == 2 * 81
    first = red[0] < red[0].min() + 9
    assert np.ptp(red[0][first]) == np.ptp(red[1][first]) == 8
    assert red[0][first].min() - blue[0].min() == 2 * 9
    assert red[1][first].min() - blue[1].min() == (72 + 4) + 5 * 9
    heights = np.unique(blue[0])
    starts = heights[np.diff(heights, prepend=-9) > 1]
    assert np.diff(starts).tolist() == [76, 86]  # the third row begins another group


def test_captions_make_room_and_labels_are_drawn():
    images = torch.zeros(2, 1, 16, 16, dtype=torch.uint8)
    without = pixels_of(sheet_figure([SheetRow("row", images)]))
    named = pixels_of(sheet_figure([SheetRow("row", images, ["one", "two"])]))
    assert named.shape[0] > without.shape[0]
    left = without[:, : find(without, [0, 0, 0])[1].min()]
    assert left.min() < 100


def test_wrong_images_are_refused():
    with pytest.raises(ValueError, match="expected one shape of uint8"):
        sheet_figure([SheetRow("a", torch.zeros(1, 3, 8, 8))])
    a, b = (torch.zeros(1, 3, n, n, dtype=torch.uint8) for n in (4, 8))
    with pytest.raises(ValueError, match="expected one shape of uint8"):
        sheet_figure([SheetRow("a", a), SheetRow("b", b)])


def test_responses_have_each_their_own_scale_of_colours():
    fields = torch.rand(1, 6, 6)
    images = response_image(torch.cat((fields, 1e-3 * fields, 0 * fields)))
    assert torch.equal(images[0], images[1])
    place = int(fields.argmax())
    assert images[0].sum(0).flatten().argmax() == place
    assert not images[2].gt(20).any()


def test_levels_and_curves_are_drawn():
    pictures = {"a": torch.rand(3, 8, 8), "b": torch.rand(2, 8, 8)}
    curve = LevelCurve(torch.tensor([1.0, 2.0, torch.nan]), torch.full((3,), 0.1))
    line = curve._replace(line=torch.tensor([1.0, 2.0, torch.nan]), label="b = 1")
    figure = level_figure(pictures, [("radius", {"a": line, "b": curve})], "title")
    (axis,) = figure.subfigs[1].axes
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["a, b = 1", "b"]
    assert axis.get_yscale() == "log"
    assert len(figure.subfigs[0].axes) == 6
    assert pixels_of(figure).std() > 0


def test_levels_are_whole_numbers_also_where_there_is_one():
    curve = LevelCurve(torch.tensor([2.0]), torch.tensor([0.1]))
    figure = level_figure({"a": torch.rand(1, 8, 8)}, [("radius", {"a": curve})])
    (axis,) = figure.subfigs[1].axes
    assert axis.get_xticks().tolist() == [0]
