"""Couplings and layers refuse what would silently give a wrong density."""

import pytest
import torch
from torch import nn

from rgflow.bijectors import (
    AffineCoupling,
    ChannelMixing,
    ElementwiseAffine,
    PixelLogit,
    PolyphaseCoupling,
    SplineCoupling,
)
from rgflow.conditioners import MLP, ResidualMLP
from rgflow.conditioners.lattice import ConvNet


@pytest.mark.parametrize(
    "coupling",
    [
        AffineCoupling((2, 3), MLP(2, 2)),  # would broadcast over the three
        SplineCoupling((2, 3), MLP(2, 3 * 22), bins=8),
        AffineCoupling((2, 3), nn.Flatten(), reads=1),
    ],
)
def test_a_conditioner_of_the_wrong_width_is_refused(coupling):
    with pytest.raises(ValueError, match="the conditioner gave"):
        coupling((torch.ones(4, 2), torch.ones(4, 3)))


def test_affine_coupling_by_hand():
    """``b exp(s) + t`` with constant s and t: the bound is met by tanh."""

    class Constant(nn.Module):
        def forward(self, a):
            return torch.tensor([[100.0, 0.0, 3.0, -1.0]]).expand(len(a), 4)

    coupling = AffineCoupling((1, 2), Constant(), scale_bound=0.5)
    (a, b), log_det = coupling((torch.ones(1, 1), torch.tensor([[2.0, 4.0]])))
    expected = torch.tensor([[2.0 * torch.e**0.5 + 3.0, 3.0]])
    torch.testing.assert_close(b, expected)
    torch.testing.assert_close(log_det, torch.tensor([0.5]))
    assert torch.equal(a, torch.ones(1, 1))


def test_a_conditioner_on_a_lattice_must_say_how_far_it_sees():
    def make(split, lattice, reads):
        return AffineCoupling(split, nn.Conv2d(split[0], 2 * split[1], 1), lattice, reads)

    with pytest.raises(ValueError, match="radius"):
        PolyphaseCoupling(1, 4, "checkerboard", 0, make)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AffineCoupling((1, 1), MLP(1, 2), reads=2), "expected 0 or 1"),
        (lambda: AffineCoupling((1, 1), MLP(1, 2), scale_bound=float("nan")), "scale_bound"),
        (lambda: SplineCoupling((1, 1), MLP(1, 2), bound=float("inf")), "bound"),
        (lambda: ChannelMixing((2, 3, 3), [[1, 2], [2, 4]]), "singular"),
        (lambda: ChannelMixing((3, 2, 2), [[1.0]]), "3 x 3 matrix"),
        (lambda: ElementwiseAffine((2,), scale=0.0), "scale must be positive"),
        (lambda: MLP(0, 2), "inputs"),
        (lambda: ResidualMLP(2, 2, width=0), "width"),
        (lambda: ConvNet(1, 2, hidden=0), "hidden"),
    ],
)
def test_numbers_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_shapes_may_come_as_lists_and_batches_may_be_empty():
    layer = ElementwiseAffine([2, 4, 4])
    assert layer(torch.zeros(0, 2, 4, 4))[0].shape == (0, 2, 4, 4)
    assert ChannelMixing((2, 4, 4))(torch.zeros(0, 2, 4, 4))[1].shape == (0,)


def test_undequantized_integers_are_refused():
    with pytest.raises(ValueError, match="dequantize"):
        PixelLogit((1, 2, 2))(torch.zeros(1, 1, 2, 2, dtype=torch.uint8))
