import pytest
import torch

from rgflow.realspace import exact_report


def rows(section):
    return {row.quantity.strip(): row for row in section.rows}


SECTIONS = {
    "machine": lambda: exact_report.machine_section(torch.Generator().manual_seed(0)),
    "causal": exact_report.causal_section,
    "flow": exact_report.flow_section,
    "cutoff": lambda: exact_report.cutoff_section(torch.Generator().manual_seed(0)),
}
# compared with another theory, hence not equal
APPROXIMATE = ("against the exact", "3x3 blocks", "nu fitted")


@pytest.fixture(scope="module", params=SECTIONS.values(), ids=SECTIONS.keys())
def section(request):
    return request.param()


def test_numbers_are_the_exact_ones(section):
    compared = [
        row
        for row in section.rows
        if row.exact is not None and not any(words in row.quantity for words in APPROXIMATE)
    ]
    assert compared
    for row in compared:
        assert row.value == pytest.approx(row.exact, abs=1e-9), row.quantity


def test_information_moves_the_fixed_point_and_not_the_exponent_to_the_exact_one():
    found = rows(exact_report.information_section())
    assert found["J* there"].value == pytest.approx(found["J* there"].exact, abs=1e-10)
    assert found["nu there"].value == pytest.approx(1.2187542, abs=1e-6)


def test_one_hidden_unit_coarse_grains_and_two_do_not():
    found = exact_report.hidden_units_section(torch.Generator().manual_seed(0)).rows
    by_units = [row.value for row in found if "minimum" in row.quantity]
    assert by_units[0] == pytest.approx(0.0677981, abs=1e-7)
    assert max(by_units[1:]) < 1e-6


def test_figures_have_labelled_axes(section):
    for figure in section.figures.values():
        axes = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
        assert all(axis.get_xlabel() for axis in axes)
        assert axes[0].get_ylabel()
