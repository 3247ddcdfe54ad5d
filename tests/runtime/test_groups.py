"""Flat settings find their groups; what is misspelt or of another type is named."""

from dataclasses import dataclass

import pytest

from rgflow.models import block_flow, conv_flow, realnvp_flow
from rgflow.runtime.config import build
from rgflow.runtime.groups import setting_names, sort_into_groups

CONV = {"_target_": "rgflow.models.conv_flow", "side": 8, "channels": 1}


@dataclass(frozen=True)
class Size:
    height: int = 1
    width: int = 2


def area(scale, size: Size = Size(height=5), unit="m"):
    return f"{scale * size.height * size.width} {unit}"


def no_check(group, given):
    pass


def test_each_setting_finds_its_group():
    assert setting_names(area) == ["scale", "height", "width", "unit"]
    arguments = sort_into_groups(area, {"width": 3, "scale": 2}, no_check)
    assert arguments == {"scale": 2, "size": Size(5, 3)}  # the height is the parameter's default
    assert area(**arguments) == "30 m"
    assert sort_into_groups(print, {"end": ""}, no_check) == {"end": ""}


def test_a_group_of_another_package_is_filled_too(tmp_path, monkeypatch):
    (tmp_path / "own_flow.py").write_text(
        "from rgflow.models import ConvLevels, Outside, conv_flow\n"
        "def small(side, levels=ConvLevels(2), outside=Outside('gaussian')):\n"
        "    return conv_flow(side, 1, levels, outside=outside)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    node = {"_target_": "own_flow.small", "side": 8, "hidden": 4, "symmetry": "mixture"}
    flow = build(node, "flow")
    assert flow.z2
    assert type(flow.prior).__name__ == "Gaussian"
    with pytest.raises(ValueError, match=r"flow.hidden: got 'wide', expected int"):
        build(node | {"hidden": "wide"}, "flow")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hiden": 8}, r"flow: .*'hiden'; expected arguments among: side, channels, couplings, "),
        ({"hidden": "wide"}, r"flow\.hidden: got 'wide', expected int"),
        ({"bins": 2.5}, r"flow\.bins: got 2\.5, expected int"),
        ({"pixels": "yes"}, r"flow\.pixels: got 'yes', expected bool"),
        (
            {"coupling": "cubic"},
            "coupling: got 'cubic', expected 'affine', 'spline'",
        ),
        ({"levels": {"hidden": 8}}, "levels: got .*, expected .* one by one: couplings, hidden"),
        ({"side": None}, r"flow\.side: got None, expected int"),
    ],
)
def test_a_wrong_setting_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        build(CONV | changes, "flow")


@pytest.mark.parametrize("maker", [conv_flow, block_flow, realnvp_flow])
def test_no_setting_belongs_to_two_groups(maker):
    names = setting_names(maker)
    assert len(names) == len(set(names))
