import pytest
import torch
from gaussian_target import seeded

from rgflow import physics_plots as plots
from rgflow.plotting import save_figure
from rgflow.statistics import Measured

NOISE = torch.randn(1000, generator=seeded())
POINTS = [Measured(1.0 / (1 + r), 0.1) for r in range(5)]

FIGURES = {
    "configurations": lambda: plots.configurations_figure(NOISE[:80].view(5, 1, 4, 4), columns=3),
    "spins": lambda: plots.configurations_figure(NOISE[:32].view(2, 4, 4).sign().to(torch.int8)),
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
    if name not in ("configurations", "spins"):
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
