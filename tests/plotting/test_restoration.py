import torch

from rgflow.plotting.restoration import GREY, _outline, restoration_figure


def test_unknown_pixels_are_grey_and_outlined():
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    unknown = torch.zeros(8, 8, dtype=torch.bool)
    unknown[2:4, 3:6] = True
    figure = restoration_figure(images, unknown, {"white": images + 255}, "a title")
    shown = [axis.images[0].get_array()[2, 3].tolist() for axis in figure.axes]
    assert shown == [[0] * 3] * 2 + [[GREY] * 3] * 2 + [[255] * 3] * 2
    assert [len(axis.collections) for axis in figure.axes] == [0, 0, 1, 1, 1, 1]
    assert figure.axes[4].get_ylabel() == "white"


def test_the_outline_goes_once_around_the_mask():
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[0, 2:] = True
    lines = {tuple(map(tuple, line)) for line in _outline(mask)}
    assert lines == {
        ((1.5, -0.5), (2.5, -0.5)),
        ((2.5, -0.5), (3.5, -0.5)),
        ((1.5, 0.5), (2.5, 0.5)),
        ((2.5, 0.5), (3.5, 0.5)),
        ((1.5, -0.5), (1.5, 0.5)),
        ((3.5, -0.5), (3.5, 0.5)),
    }
