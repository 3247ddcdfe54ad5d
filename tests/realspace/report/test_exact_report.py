"""The parts of the report that are computed exactly agree with exact values."""

import pytest
import torch

from rgflow.realspace.report import exact_report
from rgflow.realspace.report.cutoff_report import cutoff_section


def rows(section):
    return {row.quantity.strip(): row for row in section.rows}


SECTIONS = {
    "rbm": lambda: exact_report.rbm_section(torch.Generator().manual_seed(0)),
    "causal": exact_report.causal_section,
    "flow": exact_report.flow_section,
    "cutoff": lambda: cutoff_section(torch.Generator().manual_seed(0)),
}
# rows beside the exact answer of the Ising model, which the map only approximates
APPROXIMATE = ("against the exact", "3x3 blocks", "nu fitted")


@pytest.fixture(scope="module", params=SECTIONS.values(), ids=SECTIONS.keys())
def section(request):
    return request.param()


def test_numbers_agree_with_exact_values(section):
    compared = [
        row
        for row in section.rows
        if row.exact is not None and not any(words in row.quantity for words in APPROXIMATE)
    ]
    assert compared
    for row in compared:
        assert row.value == pytest.approx(row.exact, abs=1e-9), row.quantity


def test_information_makes_the_fixed_point_exact_but_not_the_exponent():
    found = rows(exact_report.information_section())
    assert found["J* there"].value == pytest.approx(found["J* there"].exact, abs=1e-10)
    assert found["nu there"].value == pytest.approx(1.2187542, abs=1e-6)


def test_one_hidden_unit_coarse_grains_and_two_do_not():
    section = exact_report.hidden_units_section(torch.Generator().manual_seed(0), starts=1)
    kinds = [row for row in section.rows if "free weights" in row.quantity]
    assert [row.quantity.split(": ")[1] for row in kinds] == [
        "minimum",
        "limit, no minimum",
        "minimum",
        "minimum",
    ]
    assert kinds[0].value == pytest.approx(0.0677981, abs=1e-7)
    assert max(row.value for row in kinds[1:]) < 1e-6
    (plateau,) = [row for row in section.rows if "steps 200 to 400" in row.quantity]
    assert plateau.value > 0.999


def test_decoy_is_learned_up_to_a_switching_beta():
    generator = torch.Generator().manual_seed(0)
    section = exact_report.decoy_section(generator, decoy=0.6, decoys=(0.6,), betas=(0.0,))
    share = [row.value for row in section.rows if "share of spins" in row.quantity]
    assert share == pytest.approx([0, 0, 1], abs=1e-9)
    (switch,) = [row.value for row in section.rows if "beta above which" in row.quantity]
    assert switch == pytest.approx(1.24267, abs=1e-4)
    assert len(section.figures["decoy"].axes) == 3


def test_figures_have_labelled_axes(section):
    for figure in section.figures.values():
        axes = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
        assert all(axis.get_xlabel() for axis in axes)
        assert axes[0].get_ylabel()
