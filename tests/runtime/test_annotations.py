from collections.abc import Sequence
from typing import Literal, Optional

import pytest
import torch

from rgflow.runtime.annotations import first_misfit, has_type

FITS = [
    (3, int),
    (3, float),
    (3.5, float),
    (True, bool),
    (None, int | None),
    (None, Optional[int]),  # noqa: UP045
    ([], Sequence[int]),
    ((1, 2), Sequence[int]),
    ([1, 2], int | Sequence[int]),
    (["a"], str | Sequence[str]),
    ([1, 0.5], tuple[float, float]),
    ([1, 2, 3], tuple[int, ...]),
    ([[1], [2]], Sequence[Sequence[int]]),
    ("store", Literal["store", "rebuild"]),
    ({"a": 1}, dict[str, int]),
    (torch.zeros(1), torch.Tensor),
]
MISFITS = [
    (3.0, int),
    (True, int),
    (False, float),
    (1, bool),
    ("3", int),
    (None, int),
    (None, Sequence[int]),
    ("31", Sequence[str]),
    (["a"], Sequence[int]),
    ([True], Sequence[int]),
    ([1], tuple[float, float]),
    (["a", 1], tuple[int, ...]),
    ([[1], 2], Sequence[Sequence[int]]),
    ("keep", Literal["store", "rebuild"]),
    ([1], dict[str, int]),
]


@pytest.mark.parametrize(("value", "hint"), FITS)
def test_values_of_their_types(value, hint):
    assert has_type(value, hint)


@pytest.mark.parametrize(("value", "hint"), MISFITS)
def test_values_of_other_types(value, hint):
    assert not has_type(value, hint)


def test_what_json_cannot_hold_is_an_instance_of_its_class():
    assert has_type(torch.zeros(1), torch.Tensor | None)
    assert not has_type(torch.zeros(1), int | Sequence[int])


def test_the_first_misfit_is_named_with_its_place():
    weights = {"a": torch.zeros(1), "b": 3}
    assert first_misfit({"a": weights["a"]}, dict[str, torch.Tensor]) is None
    assert first_misfit(weights, dict[str, torch.Tensor]).startswith("b: ")
    assert "dictionary" in first_misfit([weights], dict[str, torch.Tensor])
