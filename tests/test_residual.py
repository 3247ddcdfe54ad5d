"""The residual net with its hand-written gradient against its definition and autograd."""

import pytest
import torch
from torch.nn import functional as F

from rgflow.residual import Layout, folding_matrix, residual_net

SHAPES = (*((5, 3), (5, 5), (3, 5)) * 2, (4, 3))
LAYOUT = Layout(SHAPES, folding_matrix(SHAPES).double())


def plain(x, directions, gains_and_biases, log_slopes):
    """Definition: swish by swish, weight norm by rows, residual sums over the root of two."""
    rows = [out for out, _ in SHAPES]
    gains, biases = (v.split(rows) for v in gains_and_biases.chunk(2))
    parts = directions.split([out * width for out, width in SHAPES])
    h = stream = x
    for i, shape in enumerate(SHAPES):
        stream = h if i % 3 == 0 else stream
        direction = parts[i].view(shape)
        weight = gains[i][:, None] * direction / direction.norm(dim=1, keepdim=True)
        h = F.linear(h * torch.sigmoid(log_slopes[i].exp() * h), weight, biases[i])
        if i % 3 == 2:
            h = (stream + h) / 2**0.5
    return h


def inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    rows = sum(out for out, _ in SHAPES)
    sizes = [(6, 3), (sum(a * b for a, b in SHAPES),), (2 * rows,), (len(SHAPES),)]
    draws = (torch.randn(size, generator=generator, dtype=dtype) for size in sizes)
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
    x, *parameters = inputs()
    jacobian = torch.func.jacrev(lambda v: residual_net(v, *parameters, LAYOUT))(x)
    expected = torch.func.jacrev(lambda v: plain(v, *parameters))(x)
    torch.testing.assert_close(jacobian, expected)
    with torch.no_grad():
        assert not residual_net(x, *parameters, LAYOUT).requires_grad


def test_under_autocast_the_whole_net_is_in_low_precision():
    leaves = inputs(torch.float32)
    layout = Layout(SHAPES, folding_matrix(SHAPES))
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


@pytest.mark.parametrize("leaf", range(4))
def test_gradients_of_parts_alone(leaf):
    """Frozen parameters, or a fixed input, change nothing in the gradients of the others."""
    leaves = inputs()
    expected = torch.autograd.grad(plain(*leaves).sum(), leaves[leaf])[0]
    fixed = [v if i == leaf else v.detach() for i, v in enumerate(leaves)]
    got = torch.autograd.grad(residual_net(*fixed, LAYOUT).sum(), fixed[leaf])[0]
    torch.testing.assert_close(got, expected)
