import math

from rgflow.plotting.curves import curves_figure


def test_curves_have_their_points_and_the_end_can_be_read():
    train = [(i, 1000.0 if i < 2 else 3.0 + 1 / i) for i in range(50)]
    curves = {"train": [*train, (50, math.nan)], "validation": [(49, 3.1)]}
    (axis,) = curves_figure({"bits per dim": curves}, "a run").axes
    assert [line.get_label() for line in axis.lines] == ["train", "validation"]
    assert len(axis.lines[0].get_xdata()) == 50
    assert axis.get_ylabel() == "bits per dim"
    assert axis.get_ylim()[1] < 10


def test_each_number_has_a_panel_and_one_without_a_finite_value_has_none():
    lost = {"train": [(1, math.inf)]}
    panels = {"bound": {"train": [(1, 2.0)]}, "lost": lost, "cross-entropy": {"train": [(1, 9.0)]}}
    assert [axis.get_ylabel() for axis in curves_figure(panels).axes] == ["bound", "cross-entropy"]
    assert curves_figure({"lost": lost}) is None


def test_a_name_has_its_colour_in_all_panels():
    both = {"train": [(1, 2.0)], "validation": [(1, 1.0)]}
    panels = {"bound": both, "KL(q, p)": {"validation": [(1, 0.1)]}}
    above, below = curves_figure(panels).axes
    assert below.lines[0].get_color() == above.lines[1].get_color() != above.lines[0].get_color()
