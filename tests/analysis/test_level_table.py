import math

import pytest
import torch

from rgflow.analysis.bootstrap import bootstrap
from rgflow.analysis.level_table import Sums, level_table, summaries

ALL = torch.ones(3, dtype=torch.bool)


def test_summaries_of_tables_whose_answers_are_known():
    own = torch.eye(3).double()
    same = torch.ones(3, 3).double()
    mean_level, completeness, disentanglement, overall = summaries(torch.stack((own, same)), ALL)
    assert mean_level.tolist() == [[0, 1, 2], [1, 1, 1]]
    for values in (completeness, disentanglement, overall):
        torch.testing.assert_close(values[0], torch.ones_like(values[0]))
        torch.testing.assert_close(values[1], torch.zeros_like(values[1]))


def test_summaries_of_one_table_by_hand():
    table = torch.tensor([[[3.0, 1.0], [1.0, -0.5]]]).double()
    mean_level, completeness, disentanglement, overall = summaries(table, ALL[:2])
    quarter = 1 + (0.75 * math.log(0.75) + 0.25 * math.log(0.25)) / math.log(2)
    torch.testing.assert_close(mean_level[0], torch.tensor([0.25, 0.0]).double())
    torch.testing.assert_close(completeness[0], torch.tensor([quarter, 1.0]).double())
    torch.testing.assert_close(disentanglement[0], torch.tensor([quarter, 1.0]).double())
    d = c = (4 * quarter + 1) / 5  # the weights are the sums of rows, and of columns
    torch.testing.assert_close(overall[0], torch.tensor([d, c]).double())


def test_a_factor_that_contains_others_does_not_count_for_the_disentanglement():
    table = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]]).double()
    _, completeness, disentanglement, overall = summaries(table, torch.tensor([True, True, False]))
    assert disentanglement.tolist() == [[1, 1]]
    assert completeness.tolist() == [[1, 1, 0]]
    assert overall.tolist() == [[1, 1]]


def test_errors_are_those_of_ratios_of_averages():
    generator = torch.Generator().manual_seed(0)
    tables = []
    for seed in range(100):
        top = 2 + torch.randn(200, 1, 1, generator=generator)
        bottom = 4 + torch.randn(200, 1, 1, generator=generator)
        one = torch.ones(1, 1, 1)
        sums = Sums(top, one, bottom, one)
        tables.append(level_table(["level0"], ["f"], sums, seed=seed).importance)
    values = torch.stack([table.value for table in tables])
    errors = torch.stack([table.error for table in tables])
    exact = math.sqrt((1 / 4) ** 2 + (2 / 16) ** 2) / math.sqrt(200)
    assert abs(values.mean() - 0.5) < 5 * exact / 10
    assert abs(errors.mean() / exact - 1) < 0.1
    assert abs(values.std() / exact - 1) < 0.3


def test_images_count_by_their_weights():
    top, weight = torch.tensor([4.0, 6.0]), torch.tensor([1.0, 4.0])
    parts = [part[:, None, None] for part in (top, weight, torch.tensor([2.0, 2.0]), weight)]
    table = level_table(["level0"], ["f"], Sums(*parts))
    assert table.importance.value.item() == pytest.approx((10 / 5) / (4 / 5))
    rest = level_table(["level0"], ["f"], Sums(*parts), is_rest=True)
    assert rest.importance.value.item() == pytest.approx(1 - (10 / 5) / (4 / 5))
    assert rest.completeness.value.isnan().all()  # there is one block only


def test_one_image_has_no_error():
    with pytest.raises(ValueError, match="got 1 images, expected at least 2"):
        bootstrap(lambda weights: (weights,), 1)
