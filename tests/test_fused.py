"""Hand-written gradients against autograd's, of first and second order."""

import pytest
import torch
from torch.nn import functional as F

from rgflow.fused import SHRINK, affine, circular_pad, residual_net


def plain_affine(b, parameters, bound, inverse):
    raw, shift = parameters.chunk(2, 1)
    s = bound * torch.tanh(raw / bound)
    if inverse:
        return (b - shift) * torch.exp(-s), -s.flatten(1).sum(1)
    return b * torch.exp(s) + shift, s.flatten(1).sum(1)


def plain_residual(x, slopes, weights, biases):
    for i in range(0, len(slopes) - 1, 3):
        h = F.silu(x * slopes[i])
        for j in range(i, i + 3):
            h = F.linear(h, weights[j], biases[j])
            h = F.silu(h) if j % 3 < 2 else h
        x = h + SHRINK * x
    return F.linear(F.silu(x * slopes[-1]), weights[-1], biases[-1])


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


def residual_inputs():
    shapes = [(5, 3), (5, 5), (3, 5)] * 2 + [(4, 3)]
    weights = [random(*shape, seed=i) for i, shape in enumerate(shapes)]
    biases = [random(shape[0], seed=10 + i) for i, shape in enumerate(shapes)]
    return random(6, 3), random(7), weights, biases


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("lattice", [(), (2, 3)])
def test_affine(inverse, lattice):
    b, parameters = random(4, 3, *lattice), random(4, 6, *lattice)
    results = []
    for y, log_det in (
        affine(b, parameters, 1.5, inverse=inverse),
        plain_affine(b, parameters, 1.5, inverse),
    ):
        scalar = y.pow(3).sum() + (log_det * torch.arange(4.0)).sin().sum()
        first = torch.autograd.grad(scalar, (b, parameters), create_graph=True)
        norm = sum(g.square().sum() for g in first)
        second = torch.autograd.grad(norm, (b, parameters))
        results.append((y, log_det, *first, *second))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-10)


def test_residual_net():
    x, slopes, weights, biases = residual_inputs()
    leaves = (x, slopes, *weights, *biases)
    results = []
    for net in (residual_net, plain_residual):
        y = net(x, slopes, weights, biases)
        plain_first = torch.autograd.grad(y.pow(2).sum(), leaves, retain_graph=True)
        first = torch.autograd.grad(y.pow(2).sum(), leaves, create_graph=True)
        for a, b in zip(plain_first, first, strict=True):
            torch.testing.assert_close(a, b)
        norm = sum(g.square().sum() for g in first)
        results.append((y, *first, *torch.autograd.grad(norm, leaves)))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


def test_under_transforms_and_without_gradients():
    x, slopes, weights, biases = residual_inputs()
    jacobian = torch.func.jacrev(lambda v: residual_net(v, slopes, weights, biases))(x)
    expected = torch.func.jacrev(lambda v: plain_residual(v, slopes, weights, biases))(x)
    torch.testing.assert_close(jacobian, expected)
    with torch.no_grad():
        assert not residual_net(x, slopes, weights, biases).requires_grad


def test_under_autocast_the_whole_net_is_in_low_precision():
    x, slopes, weights, biases = residual_inputs()
    singles = [t.detach().float().requires_grad_() for t in (x, slopes, *weights, *biases)]
    x, slopes, layers = singles[0], singles[1], singles[2:]
    with torch.autocast("cpu", torch.bfloat16):
        low = residual_net(x, slopes, layers[:7], layers[7:])
    low.float().pow(2).sum().backward()
    exact = residual_net(x, slopes, layers[:7], layers[7:])
    assert low.dtype == torch.bfloat16
    assert (low - exact).abs().max() < 0.05 * exact.abs().max()
    gradients = [s.grad.clone() for s in singles]
    for s in singles:
        s.grad = None
    exact.pow(2).sum().backward()
    for got, s in zip(gradients, singles, strict=True):
        assert got.dtype == torch.float32
        assert (got - s.grad).norm() < 0.05 * s.grad.norm()


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
