import torch

from rgflow.realspace import sampling_report


def test_small_run_of_all_parts():
    generator = torch.Generator().manual_seed(0)
    spins = sampling_report.critical_configurations(generator, side=32, sweeps=1200)
    assert spins.shape == (600, 8, 32, 32)
    weights = torch.full((2, 2), 2.0)
    section = sampling_report.exponent_section(spins, weights, generator)
    assert list(section.figures) == ["mcrg"]
    second = [row for row in section.rows if "16 to 8, 4" in row.quantity]
    assert len(second) == 2  # the majority and the filter
    for row in second:
        assert row.error < 0.03
        assert abs(row.value - 1) < 4 * row.error


def test_zoom_pictures_show_three_phases():
    generator = torch.Generator().manual_seed(0)
    views, figure, film = sampling_report.zoom_pictures(generator, side=128, window=32, levels=2)
    assert [v.shape for v in views.values()] == [(3, 1, 32, 32)] * 3
    ordered, _critical, disordered = (v[-1].float() for v in views.values())
    share = [(picture > 128).float().mean().item() for picture in (ordered, disordered)]
    assert abs(share[0] - 0.5) > 0.45
    assert abs(share[1] - 0.5) < 0.3
    assert film.shape == (21, 128, 3 * 128 + 24)
    assert len(figure.axes) == 9
