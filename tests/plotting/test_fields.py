import math

import pytest
import torch
from gaussian_target import seeded

from rgflow.plotting import fields as plots
from rgflow.plotting.images import save_figure
from rgflow.statistics import Measured

NOISE = torch.randn(1000, generator=seeded())
POINTS = [Measured(1.0 / (1 + r), 0.1) for r in range(5)]

FIGURES = {
    "configurations": lambda: plots.configurations_figure(NOISE[:80].view(5, 1, 4, 4), columns=3),
    "spins": lambda: plots.configurations_figure(
        NOISE[:32].view(2, 4, 4).sign().to(torch.int8), kind="spins"
    ),
    "angles": lambda: plots.configurations_figure(NOISE[:32].view(2, 4, 4), kind="angles"),
    "magnetization": lambda: plots.magnetization_histogram(
        {"chains": NOISE.view(10, 100), "flow": 0.5 * NOISE},
        {"flow": NOISE},
        exact=torch.rand(9, 2),
    ),
    "two_point": lambda: plots.two_point_figure({"a": POINTS, "b": POINTS}, torch.ones(5)),
    "log_weights": lambda: plots.log_weight_histogram({"flow": NOISE, "target": NOISE + 1}, 0.5),
    "equal_weights": lambda: plots.log_weight_histogram({"flow": torch.zeros(10)}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn_and_written(name, tmp_path):
    figure = FIGURES[name]()
    save_figure(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000
    if name not in ("configurations", "spins", "angles"):
        axis = figure.axes[0]
        assert axis.get_xlabel()
        assert axis.get_ylabel()
        assert axis.get_legend()


def test_every_configuration_has_its_picture_on_one_scale():
    figure = FIGURES["configurations"]()
    pictures = [axis.images[0] for axis in figure.axes if axis.get_visible() and axis.images]
    assert len(pictures) == 5
    assert len({picture.get_clim() for picture in pictures}) == 1
    low, high = pictures[0].get_clim()
    assert low == -high


def test_histograms_are_normalised():
    axis = FIGURES["magnetization"]().axes[0]
    for patch in axis.patches:
        values, edges, _ = patch.get_data()
        assert float((values * (edges[1:] - edges[:-1])).sum()) == pytest.approx(1)


def test_angles_have_one_colour_at_both_ends():
    picture = FIGURES["angles"]().axes[0].images[0]
    assert picture.get_clim() == (-math.pi, math.pi)
    low, high = (torch.tensor(picture.cmap(end)) for end in (0.0, 1.0))
    assert torch.allclose(low, high, atol=0.02)
    assert not torch.allclose(low, torch.tensor(picture.cmap(0.5)), atol=0.2)


@pytest.mark.parametrize("spins", [9, 16, 64, 225, 256])
def test_histograms_of_spins_have_no_comb(spins):
    values = 1 - 2 * torch.arange(spins + 1).double() / spins  # each once: a flat histogram
    axis = plots.magnetization_histogram({"all": values}, spins=spins).axes[0]
    heights, edges, _ = axis.patches[0].get_data()
    width = edges[1] - edges[0]
    assert 8 < len(heights) < 60
    assert edges[0] <= -1
    assert edges[-1] >= 1
    inside = (edges[:-1] > -1 - 1.01 / spins) & (edges[1:] < 1 + 1.01 / spins)
    counts = heights[inside] * width * (spins + 1)
    assert counts == pytest.approx(round(width * spins / 2))


def test_spikes_of_few_weights_do_not_flatten_the_rest():
    weights = torch.zeros(1000)
    weights[0] = 20.0
    axis = plots.magnetization_histogram({"chains": NOISE, "flow": NOISE}, {"flow": weights}).axes[
        0
    ]
    low, high = axis.get_ylim()
    tallest = max(patch.get_data()[0].max() for patch in axis.patches)
    assert (low, high < tallest / 2) == (0, True)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.configurations_figure(torch.zeros(2, 3, 4, 4)),
        lambda: plots.configurations_figure(torch.zeros(0, 4, 4)),
        lambda: plots.magnetization_histogram({}),
        lambda: plots.magnetization_histogram({"a": NOISE}, {"b": NOISE}),
        lambda: plots.magnetization_histogram({"a": NOISE}, {"a": NOISE[:3]}),
        lambda: plots.two_point_figure({}),
        lambda: plots.log_weight_histogram({"a": torch.tensor([0.0, torch.inf])}),
    ],
)
def test_wrong_arguments_are_refused(draw):
    with pytest.raises(ValueError, match=r"got|expected"):
        draw()
