"""Values against annotations."""

from collections.abc import Sequence
from typing import Literal, Optional

import pytest
import torch

from rgflow.runtime.config import _fits, _in_words, build, check_target

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
    (1, Literal[True]),
    ([1], dict[str, int]),
]


@pytest.mark.parametrize(("value", "hint"), FITS)
def test_values_of_their_types(value, hint):
    assert _fits(value, hint)


@pytest.mark.parametrize(("value", "hint"), MISFITS)
def test_values_of_other_types(value, hint):
    assert not _fits(value, hint)


def test_types_in_words():
    assert _in_words(int | Sequence[int] | None) == "int or a list of int or null"
    assert _in_words(tuple[float, float]) == "a list of float"
    assert _in_words(Literal["store", "rebuild"]) == "store or rebuild"


def test_other_packages_are_not_checked():
    node = {"_target_": "fractions.Fraction", "numerator": "3/4"}
    assert build(node, "x") * 4 == 3


def test_a_module_of_a_similar_name_is_not_inside():
    check_target("rgflow.models.conv_flow", "flow", ("rgflow.models",))
    check_target("rgflow.data.module.ImageDataModule", "data", ("rgflow.data",))
    for target in ("rgflow.modelsx.f", "rgflow.models", "rgflow.data.f"):
        with pytest.raises(ValueError, match=r"flow: got _target_ .* inside rgflow\.models"):
            check_target(target, "flow", ("rgflow.models",))


def test_a_module_that_fails_is_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for i, line in enumerate(("1 / 0", "def f(:")):
        (tmp_path / f"broken_module_{i}.py").write_text(line)
        with pytest.raises(ValueError, match=r"whose import failed with .*Error"):
            build({"_target_": f"broken_module_{i}.f"}, "energy")


def test_a_class_of_a_user_that_fails_is_named(tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text(
        "def key():\n    {}['J']\n\ndef runtime():\n    raise RuntimeError('no J')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=r"energy: failing.key failed with KeyError: 'J'"):
        build({"_target_": "failing.key"}, "energy")
    with pytest.raises(ValueError, match=r"energy: failing.runtime failed with RuntimeError: no"):
        build({"_target_": "failing.runtime"}, "energy")


def test_other_constructors_of_a_class_are_targets():
    node = {"_target_": "rgflow.energies.Phi4.from_kappa", "side": 4, "kappa": 0.1, "lam": 0.02}
    assert build(node, "energy", ("rgflow.energies",)).lam == pytest.approx(2.0)
    for target in ("rgflow.energies.Phi4.energy", "rgflow.energies.Phi4.side", "rgflow.Nothing.x"):
        with pytest.raises(ValueError, match="cannot be found"):
            build(node | {"_target_": target}, "energy", ("rgflow",))
