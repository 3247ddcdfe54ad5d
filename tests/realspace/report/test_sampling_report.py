"""The parts of the report that are estimated from configurations."""

import torch

from rgflow.realspace.report import sampling_report


def test_exponents_of_a_small_run():
    generator = torch.Generator().manual_seed(0)
    spins = sampling_report.critical_configurations(generator, side=32, sweeps=1200)
    assert spins.shape == (600, 8, 32, 32)
    weights = torch.full((2, 2), 2.0)
    section = sampling_report.exponent_section(spins, weights, generator)
    assert list(section.figures) == ["mcrg"]
    result = [row for row in section.rows if row.quantity.endswith("*")]
    assert [row.quantity.split(":")[0] for row in result] == [
        "majority, 16 to 8, 7 couplings",
        "learned filter, 16 to 8, 7 couplings",
    ]
    second = [row for row in section.rows if "16 to 8, 4" in row.quantity]
    assert len(second) == 2  # for the majority rule and for the filter
    for row in second:
        assert row.error < 0.03
        assert abs(row.value - 1) < 4 * row.error


def test_zoom_pictures_show_three_phases():
    generator = torch.Generator().manual_seed(0)
    views, figure, film = sampling_report.zoom_pictures(generator, side=256, window=32)
    assert [v.shape for v in views.values()] == [(3, 1, 32, 32)] * 3
    ordered, _critical, disordered = (v[-1].float() for v in views.values())
    share = [(picture > 128).float().mean().item() for picture in (ordered, disordered)]
    assert abs(share[0] - 0.5) > 0.45
    assert abs(share[1] - 0.5) < 0.3
    assert film.shape == (21, 24 + 128, 3 * 128 + 24)
    assert len(figure.axes) == 9


def test_learned_filters_and_their_check():
    generator = torch.Generator().manual_seed(0)
    check = sampling_report.check_section(generator, sweeps=40, steps=150)
    bounds = [row for row in check.rows if row.exact is not None]
    assert len(bounds) == 4
    for row in bounds:
        assert row.exact - 0.05 < row.value < row.exact + 4 * row.error
    spins = sampling_report.critical_configurations(generator, side=32, sweeps=500)
    filters = sampling_report.learned_filters(spins, generator, steps=100)
    assert list(filters) == [2, 3, 4]
    for side, learned in filters.items():
        assert learned.weights.shape == (side, side)
        for turned in (learned.weights.rot90(), learned.weights.T):
            assert torch.allclose(turned, learned.weights)
    section = sampling_report.filters_section(filters, 32)
    assert len(section.rows) == 6
    assert 0.3 < section.rows[0].value < 0.6
    assert list(section.figures) == ["filters"]
