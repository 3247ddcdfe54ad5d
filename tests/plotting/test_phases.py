"""Colours of complex fields."""

import math

import pytest
import torch

from rgflow.plotting.phases import phase_image


def of_phase(angles, length=1.0):
    angles = torch.tensor(angles)
    return length * torch.stack((angles.cos(), angles.sin())).view(1, 2, 1, -1)


def test_the_hue_is_the_phase_and_closes_to_a_circle():
    third = 2 * math.pi / 3
    red, green, blue, again = phase_image(of_phase([0.0, third, 2 * third, 3 * third]))[0, :, 0].T
    assert [int(c.argmax()) for c in (red, green, blue)] == [0, 1, 2]
    assert torch.equal(red, again)


def test_the_brightness_is_the_amplitude():
    fields = torch.cat((of_phase([1.0]), of_phase([1.0], 0.5), torch.full((1, 2, 1, 1), math.nan)))
    full, half, none = phase_image(fields, amplitude=1.0).flatten(1).double().amax(1).tolist()
    assert full == 255
    assert half == pytest.approx(127.5, abs=1)
    assert none == 0


def test_an_infinite_value_blackens_its_own_pixel_only():
    fields = torch.cat((of_phase([0.0, 0.0]), of_phase([0.0, 0.0])), -1)
    fields[0, 0, 0, 1] = math.inf
    for amplitude in (None, 1.0):
        brightest = phase_image(fields, amplitude)[0].amax(0).flatten().tolist()
        assert brightest == [255, 0, 255, 255]
    with pytest.raises(ValueError, match=r"amplitude: got 0\.0"):
        phase_image(fields, 0.0)


def test_other_fields_are_refused():
    with pytest.raises(ValueError, match="expected \\(N, 2, H, W\\)"):
        phase_image(torch.zeros(1, 1, 4, 4))
