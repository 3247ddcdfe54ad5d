import pytest
import torch

from rgflow.plotting.heat_tables import HeatTable, heat_tables


def table(**changes):
    values = torch.tensor([[0.0, 0.5, 1.0], [0.25, 1.25, torch.nan]])
    given = HeatTable("title", ["a", "b"], ["x", "y", "z"], values, values / 10)
    return given._replace(**changes)


def test_numbers_and_names_stand_in_the_figure():
    figure = heat_tables([table(notes=["note", "", ""]), table()], "which")
    first, second, bar = figure.axes
    texts = [text.get_text() for text in first.texts]
    assert texts[:2] == ["0.000\n± 0.000", "0.500\n± 0.050"]
    assert len(second.texts) == 6
    assert [t.get_text() for t in first.get_xticklabels()] == ["x\nnote", "y", "z"]
    assert [t.get_text() for t in first.get_yticklabels()] == ["a", "b"]
    assert bar.get_ylim() == (0, 1)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ([table(rows=["a"])], r"got values of shape \(2, 3\)"),
        ([table(errors=torch.zeros(2, 2))], r"errors of shape \(2, 2\), expected \(2, 3\)"),
        ([], "got no table"),
    ],
)
def test_mistakes_are_refused(tables, words):
    with pytest.raises(ValueError, match=words):
        heat_tables(tables)
