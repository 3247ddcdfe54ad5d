"""Monotone rational-quadratic splines and their hand-written gradient."""

import math

import pytest
import torch

from rgflow.splines import MIN_SLOPE, SHIFT, evaluate, spline

BINS, BOUND = 5, 2.0


def inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = 2.5 * torch.randn(3, 40, generator=generator, dtype=dtype)  # one in three is outside
    x[0, :4] = torch.tensor([-BOUND, BOUND, -7.0, 7.0])
    raw = 1.5 * torch.randn(3 * BINS - 1, 3, 40, generator=generator, dtype=dtype)
    return x.requires_grad_(), raw.requires_grad_()


@pytest.mark.parametrize("inverse", [False, True])
def test_gradients_are_those_of_plain_operations(inverse):
    x, raw = inputs()
    results = []
    for run in (spline, lambda *a, **k: evaluate(*a, **k)[:2]):
        image, log_slope = run(x, raw, BINS, BOUND, inverse=inverse)
        value = image.pow(3).sum() + (log_slope.square() * torch.linspace(-1, 1, 40)).sum()
        first = torch.autograd.grad(value, (x, raw), create_graph=True)
        norm = sum(g.square().sum() for g in first)
        plain = torch.autograd.grad(value, (x, raw), retain_graph=True)
        results.append((value, *first, *plain, *torch.autograd.grad(norm, (x, raw))))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)


def test_slope_round_trip_and_tails():
    x, raw = inputs()
    image, log_slope = spline(x, raw, BINS, BOUND)
    (slope,) = torch.autograd.grad(image.sum(), x, retain_graph=True)
    torch.testing.assert_close(slope.log(), log_slope)
    back, inverse_log_slope = spline(image, raw, BINS, BOUND, inverse=True)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(inverse_log_slope, -log_slope, atol=1e-10, rtol=0)
    outside = x.abs() >= BOUND
    assert outside.sum() > 20
    torch.testing.assert_close(image[outside], x[outside])
    assert log_slope[outside].abs().max() < 1e-10
    assert (image - x)[~outside].abs().max() > 0.1


def test_by_hand_with_two_bins():
    """Knots at -1, 0, 1 on both axes and slope 2 in the middle: ``y = 2 x`` there at first."""
    raw = torch.zeros(5, 1, dtype=torch.float64)
    raw[4] = math.log(math.expm1(2 - MIN_SLOPE)) - SHIFT
    x = torch.tensor([0.5], dtype=torch.float64)
    image, log_slope = spline(x, raw, 2, 1.0)
    # s = 1, d_0 = 2, d_1 = 1, xi = 1/2: y = (1/4 + 2/4) / (1 + 1/4)
    torch.testing.assert_close(image, torch.tensor([0.6], dtype=torch.float64))
    # s^2 (d_1 / 4 + 2 / 4 + d_0 / 4) / (5/4)^2 = 1.25 / 1.5625
    torch.testing.assert_close(log_slope, torch.tensor([0.8], dtype=torch.float64).log())


def test_extreme_parameters_stay_finite_in_float32():
    x = torch.linspace(-3, 3, 200)
    for scale in (30.0, 100.0):
        generator = torch.Generator().manual_seed(1)
        raw = scale * torch.randn(3 * BINS - 1, 200, generator=generator)
        for inverse in (False, True):
            at, of = x.clone().requires_grad_(), raw.clone().requires_grad_()
            image, log_slope = spline(at, of, BINS, BOUND, inverse=inverse)
            grads = torch.autograd.grad(image.sum() + log_slope.sum(), (at, of))
            assert all(t.isfinite().all() for t in (image, log_slope, *grads))
