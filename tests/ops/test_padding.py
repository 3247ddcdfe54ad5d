"""Periodic padding with its hand-written gradient, against torch's."""

import pytest
import torch
from torch.nn import functional as F

from rgflow.ops import circular_pad, plain


def random(*shape):
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize(("side", "width"), [(5, 1), (4, 2), (2, 2), (1, 1), (3, 0)])
def test_values_and_derivatives(side, width):
    x = random(2, 3, side, side)
    with plain():
        plainly = circular_pad(x, width)
    results = []
    for y in (circular_pad(x, width), plainly, F.pad(x, (width,) * 4, mode="circular")):
        weight = random(*y.shape)
        (first,) = torch.autograd.grad((y**3 * weight).sum(), x, create_graph=True)
        results.append((y, first, *torch.autograd.grad(first.square().sum(), x)))
    for got, other, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)
        torch.testing.assert_close(other, expected)
