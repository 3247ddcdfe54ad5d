"""Hand-written gradients against autograd's, of first and second order."""

import pytest
import torch
from torch.nn import functional as F

from rgflow.ops.fused import affine, circular_pad


def plain_affine(b, parameters, bound, inverse):
    raw, shift = parameters.chunk(2, 1)
    s = bound * torch.tanh(raw / 2)
    if inverse:
        return (b - shift) * torch.exp(-s), -s.flatten(1).sum(1)
    return b * torch.exp(s) + shift, s.flatten(1).sum(1)


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.mark.parametrize("output", [0, 1])
def test_affine_where_one_output_is_not_used(output):
    b, parameters = random(4, 3), random(4, 6)
    for inverse in (False, True):
        got, expected = (
            torch.autograd.grad(y.square().sum(), (b, parameters))
            for y in (
                affine(b, parameters, 1.5, inverse=inverse)[output],
                (plain_affine(b, parameters, 1.5, inverse)[output] + 0 * b.sum()),
            )
        )
        for a, e in zip(got, expected, strict=True):
            torch.testing.assert_close(a, e)


@pytest.mark.parametrize(("side", "width"), [(5, 1), (4, 2), (2, 2), (1, 1)])
def test_circular_pad(side, width):
    x = random(2, 3, side, side)
    padding = (width, width, width, width)
    results = []
    for y in (circular_pad(x, width), F.pad(x, padding, mode="circular")):
        weight = random(*y.shape)
        (first,) = torch.autograd.grad((y**3 * weight).sum(), x, create_graph=True)
        results.append((y, first, *torch.autograd.grad(first.square().sum(), x)))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)
