"""Figures of the geometry: limits of what is not positive, curves of fits, disks and planes."""

import torch

from rgflow.plotting.bulk import (
    EmbeddedCells,
    embedding_figure,
    half_plane_figure,
    information_figure,
)
from rgflow.plotting.laws import FittedLaw, LevelDistances, ScaleDistances, laws_figure
from rgflow.plotting.points import Points


def test_what_is_not_positive_has_an_upper_limit():
    points = Points(
        torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.1, -0.01, -0.5]), torch.full((3,), 0.02)
    )
    axis = information_figure({"flow": ([points], points)}).axes[0]
    values, limits = (bars.lines[0] for bars in axis.containers)
    assert torch.tensor(values.get_ydata()).isfinite().tolist() == [True, False, False]
    assert torch.allclose(torch.tensor(limits.get_ydata()), torch.tensor([0.03, 0.04]))
    assert limits.get_markerfacecolor() == "none"
    low, high = axis.get_ylim()
    assert low < 0.03
    assert high > 0.1


def test_curves_are_drawn_against_the_chord_and_against_r():
    r, chord, distance = torch.arange(2.0, 5.0), torch.tensor([1.8, 2.5, 2.6]), torch.ones(3)
    fits = [FittedLaw(name, r, chord, distance) for name in ("log, 1 / 1", "line, 2 / 1")]
    empty = torch.zeros(0)
    levels = [
        LevelDistances(0, r, chord, distance, 0.1 * distance, fits),
        LevelDistances(1, empty, empty, empty, empty, []),
    ]
    scale = ScaleDistances(r, distance, 0.1 * distance, None)
    axes = laws_figure({"flow": (levels, scale)}, "nats").axes
    assert len(axes) == 3
    for axis, x in zip(axes, (chord, r), strict=False):
        drawn = {line.get_label(): line.get_xdata() for line in axis.lines}
        assert drawn["log, 1 / 1"].tolist() == drawn["line, 2 / 1"].tolist() == x.tolist()
        assert axis.get_legend_handles_labels()[1] == ["log, 1 / 1", "line, 2 / 1", "level 0"]


def test_a_panel_without_points_says_so():
    empty = torch.zeros(0)
    levels = [LevelDistances(0, empty, empty, empty, empty, [])]
    axes = laws_figure({"flow": (levels, ScaleDistances(*[empty] * 3, None))}, "nats").axes
    for axis in axes:
        assert [text.get_text() for text in axis.texts] == ["nothing resolved"]
        assert not len(axis.get_xticks()) + len(axis.get_yticks())


def test_only_a_disk_has_a_circle():
    points = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]])
    one = EmbeddedCells(points, torch.tensor([1, 0, 0]), [(1, 0), (2, 0)], "R = 1", is_flat=False)
    figure = embedding_figure({"flow": one, "Haar": one._replace(is_flat=True)})
    assert [len(axis.patches) for axis in figure.axes] == [1, 0]
    assert [len(axis.lines) for axis in figure.axes] == [2, 2]


def test_pairs_of_one_level_and_of_two_have_their_own_marks():
    values, first = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 0, 1])
    axis = half_plane_figure(
        {"flow": (values, values, first, torch.tensor([0, 1, 1]))}, "nats"
    ).axes[0]
    assert [len(marks.get_offsets()) for marks in axis.collections] == [2, 1]
