import math

import pytest

from rgflow.plotting.curves import curves_figure


def test_curves_have_their_points_and_the_end_can_be_read():
    train = [(i, 1000.0 if i < 2 else 3.0 + 1 / i) for i in range(50)]
    curves = {"train": [*train, (50, math.nan)], "validation": [(49, 3.1)]}
    (axis,) = curves_figure(curves, "bits per dim", "a run").axes
    assert [line.get_label() for line in axis.lines] == ["train", "validation"]
    assert len(axis.lines[0].get_xdata()) == 50
    assert axis.get_ylabel() == "bits per dim"
    assert axis.get_ylim()[1] < 10


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="expected one finite value"):
        curves_figure({"train": [(1, math.inf)]}, "loss")
