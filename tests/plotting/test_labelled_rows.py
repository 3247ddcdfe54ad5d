import pytest
import torch

from rgflow.plotting.labelled_rows import LEAST_SIDE, enlarged_tile, labelled_rows


@pytest.mark.parametrize(("count", "side", "columns"), [(1, 4, 1), (16, 32, 4), (9, 64, 8)])
def test_no_side_is_short_and_pixels_stay_squares(count, side, columns):
    images = torch.randint(256, (count, 3, side, side), dtype=torch.uint8)
    picture = enlarged_tile(images, columns)
    assert min(picture.shape[1:]) >= LEAST_SIDE
    scale = (picture.shape[2] - 2) // columns // side
    assert torch.equal(
        picture[:, 2 : 2 + side * scale : scale, 2 : 2 + side * scale : scale], images[0]
    )


def test_each_row_has_its_label_on_its_left():
    rows = [torch.full((2, 3, 8, 8), shade, dtype=torch.uint8) for shade in (10, 20, 30)]
    picture = labelled_rows(rows, ["original", "all levels", "levels from 1"])
    assert min(picture.shape[1:]) >= LEAST_SIDE
    plain = enlarged_tile(torch.cat(rows), 2)
    margin = picture[:, :, : -plain.shape[2]]
    assert torch.equal(picture[:, :, margin.shape[2] :], plain)
    inked = [(part < 128).any() for part in margin.split(margin.shape[1] // 3, dim=1)[:3]]
    assert all(inked)
    empty = labelled_rows(rows, ["", "", "levels from 1"])[:, : plain.shape[1] // 2]
    assert (empty[:, :, : margin.shape[2]] == 255).all()


def test_every_row_needs_a_label():
    with pytest.raises(ValueError, match="got 1 labels, expected one for each of 2 rows"):
        labelled_rows([torch.zeros(1, 3, 8, 8, dtype=torch.uint8)] * 2, ["original"])
