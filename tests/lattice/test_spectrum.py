"""Spectra are positive and have the symmetries of the lattice, within one tolerance."""

import pytest
import torch

from rgflow.lattice import check_spectrum, has_symmetries, khat_squared

WHOLE = 1 / (0.3 + khat_squared(4, 4))


def changed(at, by):
    spectrum = WHOLE.clone()
    for site in at:
        spectrum[site] *= 1 + by
    return spectrum


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_symmetries_are_seen_at_any_scale(scale):
    even = changed([(0, 1), (0, 3)], 1e-3) * scale  # k and -k, but not k1 and k2 exchanged
    odd = changed([(0, 1)], 1e-3) * scale
    assert has_symmetries(WHOLE * scale, square=True)
    assert has_symmetries(even)
    assert not has_symmetries(even, square=True)
    assert not has_symmetries(odd)
    assert has_symmetries((changed([(0, 1)], 1e-6) * scale), square=True)  # rounding


def test_a_lattice_that_is_not_square():
    strip = khat_squared(4, 6) + 1
    assert has_symmetries(strip)
    assert not has_symmetries(strip, square=True)
    check_spectrum(strip, shape=(4, 6))


@pytest.mark.parametrize(
    ("spectrum", "settings", "message"),
    [
        (3.0, {}, r"masses: got a spectrum of shape float, expected \(H, W\)"),
        (torch.ones(4), {}, r"of shape \(4,\), expected \(H, W\)"),
        (torch.ones(4, 6), {"square": True}, r"of shape \(4, 6\), expected \(L, L\)"),
        (torch.ones(4, 6), {"shape": (6, 4)}, r"of shape \(4, 6\), expected \(6, 4\)"),
        (-WHOLE, {}, "not positive and finite"),
        (WHOLE * torch.nan, {}, "not positive and finite"),
        (changed([(0, 1)], 0.1), {}, "expected S\\(k\\) = S\\(-k\\)"),
        (changed([(0, 1), (0, 3)], 0.1), {"square": True}, "the symmetries of the square"),
    ],
)
def test_wrong_spectra_are_refused(spectrum, settings, message):
    with pytest.raises(ValueError, match=message):
        check_spectrum(spectrum, "masses", **settings)
