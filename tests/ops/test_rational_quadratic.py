"""Monotone rational-quadratic splines and their hand-written gradient."""

import math

import pytest
import torch

from rgflow.bijectors import RationalQuadratic
from rgflow.ops import FastSpline, rational_quadratic_torch
from rgflow.ops.choice import machine_code, wants_graph
from rgflow.ops.kernels.constants import MIN_SLOPE, SHIFT
from rgflow.ops.kernels.tile import TILE
from rgflow.ops.rational_quadratic import SavedArguments

BINS, BOUND = 5, 2.0
FAST = FastSpline(BINS, BOUND)


def spline(x, raw, bins=BINS, bound=BOUND, inverse=False):
    return FastSpline(bins, bound).elementwise(x, raw, inverse=inverse)


def plain_spline(x, raw, bins=BINS, bound=BOUND, inverse=False):
    transform = RationalQuadratic(bins, bound)
    return (transform.inverse if inverse else transform.forward)(x, raw)


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
    for run in (spline, plain_spline):
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


@pytest.mark.parametrize("how", ["machine code", "torch"])
@pytest.mark.parametrize("inverse", [False, True])
def test_beyond_the_interval_it_is_the_identity_to_all_digits(how, inverse):
    """In float32 too, where the end of a narrow bin is not where it should be."""
    generator = torch.Generator().manual_seed(0)
    x = torch.tensor([-1.5, -1.0, 1.0, 1.0001]).mul(BOUND).repeat(500)
    raw = 5 * torch.randn(3 * BINS - 1, len(x), generator=generator)
    if how == "torch":
        image, log_slope, saved = rational_quadratic_torch.spline(x, raw, BINS, BOUND, inverse)
    else:
        image, log_slope, saved = FAST.spline(x, raw, inverse=inverse)
        assert isinstance(saved, SavedArguments)
    assert torch.equal(image, x)
    assert not log_slope.any()
    grads = torch.randn(2, len(x), generator=generator)
    grad_x, grad_raw = FAST.spline_vjp(*grads, saved, inverse=inverse)
    assert torch.equal(grad_x, grads[0])
    assert not grad_raw.any()


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


def outputs(x, raw, bins, inverse):
    image, log_slope = spline(x, raw, bins, BOUND, inverse=inverse)
    weights = torch.linspace(-1, 1, x.numel(), dtype=x.dtype).view_as(x)
    value = (image.sin() * weights + log_slope * weights.flip(-1)).sum()
    return image, log_slope, *torch.autograd.grad(value, (x, raw))


@pytest.mark.parametrize("bins", [2, 3, 8])
@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("shape", [(1,), (2, 3), (TILE,), (3, TILE + 5)])
def test_machine_code_is_right_to_rounding(bins, inverse, shape):
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.randn(shape, generator=generator)
    raw = torch.randn(3 * bins - 1, *shape, generator=generator)
    assert machine_code(x, raw)
    got = outputs(x.clone().requires_grad_(), raw.clone().requires_grad_(), bins, inverse)
    exact = x.double().requires_grad_(), raw.double().requires_grad_()
    for found, expected in zip(got, outputs(*exact, bins, inverse), strict=True):
        assert found.dtype == torch.float32
        assert (found - expected).norm() < 1e-4 * expected.norm() + 1e-6


def test_machine_code_takes_any_order_of_memory_and_keeps_its_arguments_only():
    x, raw = (t.detach() for t in inputs(torch.float32))
    image, log_slope, saved = FAST.spline(x, raw, inverse=False)
    assert [t is given for t, given in zip(saved, (x, raw), strict=True)] == [True, True]
    turned = [t.movedim(0, -1).contiguous().movedim(-1, 0) for t in (x, raw)]
    again = FAST.spline(*turned, inverse=False)
    assert torch.equal(again[0], image)
    assert torch.equal(again[1], log_slope)


def test_machine_code_does_not_hide_numbers_that_are_none():
    x, raw = (t.detach() for t in inputs(torch.float32))
    x[1:] = 0.3
    x[0, 7], raw[0, 1, 3], raw[2, 1, 4], raw[BINS, 2, 5] = (float("nan"),) * 4
    for inverse in (False, True):
        image, log_slope, _ = FAST.spline(x, raw, inverse=inverse)
        places = [[0, 7], [1, 3], [1, 4], [2, 5]]
        assert image.isnan().nonzero().tolist() == places
        assert log_slope.isnan().nonzero().tolist() == places


def test_no_machine_code_where_plain_operations_are_wanted():
    x, raw = inputs(torch.float32)
    assert wants_graph(x, raw)
    x, raw = x.detach(), raw.detach()
    assert machine_code(x, raw)
    assert not machine_code(x.double(), raw)
    assert not machine_code(x[:0], raw[:, :0])
    assert spline(x[:0], raw[:, :0], BINS, BOUND)[0].shape == (0, 40)
    x, raw = inputs(torch.float32)
    image, log_slope = spline(x, raw, BINS, BOUND)
    (first,) = torch.autograd.grad(image.sum() + log_slope.sum(), raw, create_graph=True)
    plain = plain_spline(x, raw)
    (wanted,) = torch.autograd.grad(sum(t.sum() for t in plain), raw, create_graph=True)
    for got, expected in zip(
        torch.autograd.grad(first.square().sum(), (x, raw)),
        torch.autograd.grad(wanted.square().sum(), (x, raw)),
        strict=True,
    ):
        assert (got - expected).norm() < 1e-3 * expected.norm()


def test_parameters_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="expected 14 along the first axis"):
        plain_spline(torch.zeros(2, 3), torch.zeros(13, 2, 3))
    with pytest.raises(ValueError, match="bins: got 1, expected at least 2"):
        RationalQuadratic(1)


def test_a_single_number():
    raw = inputs(torch.float32)[1].detach()[:, 0, 0]
    image, log_slope = spline(torch.tensor(0.3), raw, BINS, BOUND)
    exact = spline(torch.tensor(0.3).double(), raw.double(), BINS, BOUND)
    torch.testing.assert_close((image.double(), log_slope.double()), exact, rtol=0, atol=1e-5)
