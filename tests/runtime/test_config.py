import pytest

from rgflow.runtime.config import build, check_target


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ({"side": "big"}, r"x.side: got 'big', expected int$"),
        ({"hidden": None}, r"x.hidden: got None, expected int . list.int.$"),
        ({"kernels": 3}, r"x.kernels: got 3, expected list\[int\]$"),
        ({"pairings": "rows"}, r"x.pairings: got 'rows', expected list\[str\]$"),
        ({"predict": 1}, r"x.predict: got 1, expected bool$"),
    ],
)
def test_an_argument_of_another_type_is_named_with_the_one_expected(argument, expected):
    node = {"_target_": "rgflow.models.conv_flow", "side": 8, "channels": 1}
    with pytest.raises(ValueError, match=expected):
        build(node | argument, "x")


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
        with pytest.raises(ValueError, match=r"which cannot be found"):
            build(node | {"_target_": target}, "energy", ("rgflow",))
