"""Winding numbers and vortices of fields that are known."""

import math

import pytest
import torch

from rgflow.analysis.geometry import field_phases, vortex_density, winding_numbers


def of_phase(theta):
    return torch.stack((theta.cos(), theta.sin()), -3)


@pytest.mark.parametrize("turns", [(0, 0), (1, 0), (0, -2), (2, 1)])
def test_a_helix_winds_as_often_as_it_turns(turns):
    place = 2 * math.pi * torch.arange(12).double() / 12
    theta = turns[0] * place[:, None] + turns[1] * place[None] + 0.3
    x = 1.7 * of_phase(theta)[None]
    assert winding_numbers(x)[0].tolist() == list(turns)
    assert vortex_density(x).tolist() == [0]


def test_a_vortex_and_an_antivortex_are_two():
    row, column = torch.meshgrid(*[torch.arange(16).double()] * 2, indexing="ij")

    def around(i, j):
        return torch.atan2(row - i, column - j)

    theta = around(7.5, 4.5) - around(7.5, 10.5)
    # the phase is smooth enough across the border, as the pair is neutral
    density = vortex_density(of_phase(theta)[None])
    assert float(density) * 256 == pytest.approx(2)
    # of 16 columns the 6 that pass between both turn once
    down, right = winding_numbers(of_phase(theta)[None])[0].tolist()
    assert abs(down) == pytest.approx(6 / 16, abs=1e-6)
    assert right == 0


def test_half_a_turn_is_counted_forwards():
    theta = math.pi * (torch.arange(4).double() % 2)  # 0, pi, 0, pi: turns of pi and of -pi
    assert winding_numbers(of_phase(theta.expand(1, 4, 4)))[0].tolist() == [0, 2]


def test_other_fields_are_refused():
    with pytest.raises(ValueError, match="expected \\(B, 2, L, L\\)"):
        field_phases(torch.zeros(1, 1, 4, 4))
