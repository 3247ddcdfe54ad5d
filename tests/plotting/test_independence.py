import pytest
import torch

from rgflow.plotting.independence import DependenceTable, independence_figure


def table(levels=2):
    matrix = torch.tensor([[1e-3, -2e-5], [-2e-5, torch.nan]])[:levels, :levels]
    curve = (torch.tensor([0.0, 1, 2]), torch.tensor([1e-3, 1e-4, -1e-6]), torch.full((3,), 1e-5))
    return DependenceTable(matrix, 0.1 * matrix.abs(), [curve] * levels)


def test_every_flow_has_a_row_with_all_its_numbers():
    figure = independence_figure({"one": {"z": table(), "|z|": table()}, "two": {"z": table(1)}})
    axes = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    assert len(axes) == 8
    assert len(figure.axes) == 8 + 3
    assert [axis.get_visible() for axis in axes] == [True] * 6 + [False] * 2
    texts = [text.get_text() for text in axes[0].texts]
    assert texts == ["1.00\n± 0.10", "-0.02\n± 0.00", "-0.02\n± 0.00", "-"]
    curve = axes[1].lines[0]
    assert curve.get_ydata().tolist() == pytest.approx([1e-3, 1e-4, -1e-6])
    assert curve.get_xdata()[0] == 0.5  # the same place
    figure.canvas.draw()


def test_nothing_is_refused():
    with pytest.raises(ValueError, match="expected one or more"):
        independence_figure({})
    with pytest.raises(ValueError, match="expected one or more"):
        independence_figure({"one": {}})
