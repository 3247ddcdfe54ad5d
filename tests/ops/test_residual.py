"""The residual net with its hand-written gradient against its definition and autograd."""

import pytest
import torch
from torch.nn import functional as F

from rgflow.ops.residual import make_layout
from rgflow.ops.residual_function import residual_net

SHAPES = (*((5, 3), (5, 5), (3, 5)) * 2, (4, 3))
LAYOUT = make_layout(SHAPES)
LAYOUT = LAYOUT._replace(exponents=LAYOUT.exponents.double(), shrinks=LAYOUT.shrinks.double())


def plain(x, flat):
    """Definition: swish by swish, weight norm by rows, residual sums over the root of two."""
    shapes = [SHAPES[layer] for layer in LAYOUT.order]
    rows = [out for out, _ in shapes]
    sizes = [out * width for out, width in shapes]
    *parts, gains, biases, log_slopes = flat.split([*sizes, sum(rows), sum(rows), len(rows)])
    maps = {
        layer: (gain[:, None] * F.normalize(part.view(shape), dim=1), bias)
        for layer, shape, part, gain, bias in zip(
            LAYOUT.order, shapes, parts, gains.split(rows), biases.split(rows), strict=True
        )
    }
    h = stream = x
    for i in range(len(SHAPES)):
        stream = h if i % 3 == 0 else stream
        h = F.linear(h * torch.sigmoid(log_slopes[i].exp() * h), *maps[i])
        if i % 3 == 2:
            h = (stream + h) / 2**0.5
    return h


def inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    size = sum(out * (width + 2) + 1 for out, width in SHAPES)
    draws = (torch.randn(n, generator=generator, dtype=dtype) for n in ((6, 3), (size,)))
    return [draw.requires_grad_() for draw in draws]


def test_values_and_gradients_of_first_and_second_order():
    leaves = inputs()
    results = []
    for net in (lambda *a: residual_net(*a, LAYOUT), plain):
        y = net(*leaves)
        first = torch.autograd.grad(y.pow(2).sum(), leaves, retain_graph=True)
        again = torch.autograd.grad(y.pow(2).sum(), leaves, create_graph=True)
        for a, b in zip(first, again, strict=True):
            torch.testing.assert_close(a, b)
        norm = sum(g.square().sum() for g in again)
        results.append((y, *first, *torch.autograd.grad(norm, leaves)))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def test_under_transforms_and_without_gradients():
    x, flat = inputs()
    jacobian = torch.func.jacrev(lambda v: residual_net(v, flat, LAYOUT))(x)
    of_flat = torch.func.jacrev(lambda v: residual_net(x, v, LAYOUT))(flat)
    torch.testing.assert_close(of_flat, torch.func.jacrev(lambda v: plain(x, v))(flat))
    expected = torch.func.jacrev(lambda v: plain(v, flat))(x)
    torch.testing.assert_close(jacobian, expected)
    with torch.no_grad():
        assert not residual_net(x, flat, LAYOUT).requires_grad


def test_under_autocast_the_whole_net_is_in_low_precision():
    leaves = inputs(torch.float32)
    layout = make_layout(SHAPES)
    with torch.autocast("cpu", torch.bfloat16):
        low = residual_net(*leaves, layout)
    exact = residual_net(*leaves, layout)
    assert low.dtype == torch.bfloat16
    assert (low - exact).abs().max() < 0.05 * exact.abs().max()
    gradients = torch.autograd.grad(low.float().pow(2).sum(), leaves)
    for got, expected in zip(
        gradients, torch.autograd.grad(exact.pow(2).sum(), leaves), strict=True
    ):
        assert got.dtype == torch.float32
        assert (got - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize("leaf", range(2))
def test_gradients_of_parts_alone(leaf):
    """Frozen parameters, or a fixed input, change nothing in the gradients of the others."""
    leaves = inputs()
    expected = torch.autograd.grad(plain(*leaves).sum(), leaves[leaf])[0]
    fixed = [v if i == leaf else v.detach() for i, v in enumerate(leaves)]
    got = torch.autograd.grad(residual_net(*fixed, LAYOUT).sum(), fixed[leaf])[0]
    torch.testing.assert_close(got, expected)
