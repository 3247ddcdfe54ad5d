"""Elementwise functions in machine code against torch in double precision."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from rgflow.ops.kernels.codes import CODES
from rgflow.ops.kernels.pointwise import activate, exp, log, sigmoid, softplus, times_slope

GRID = np.concatenate([np.linspace(-100, 100, 4001), np.linspace(-1, 1, 2001)]).astype(np.float32)


def test_the_exponential():
    inside = GRID[abs(GRID) <= 87]
    got = np.array([exp(x) for x in inside])
    np.testing.assert_allclose(got, np.exp(inside.astype(float)), rtol=4e-7)
    assert exp(np.float32(-200)) == exp(np.float32(-87))
    assert exp(np.float32(200)) == exp(np.float32(88))
    assert np.isnan(exp(np.float32("nan")))


def test_the_sigmoid():
    got = np.array([sigmoid(x) for x in GRID])
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-GRID.astype(float))), rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("name", CODES)
def test_activations_and_their_slopes(name):
    x = torch.tensor(GRID, dtype=torch.float64, requires_grad=True)
    function = getattr(torch, name) if name in ("tanh", "sigmoid") else getattr(F, name)
    wanted = function(x)
    (slope,) = torch.autograd.grad(wanted.sum(), x)
    y, kept, grad = GRID[None].copy(), np.empty_like(GRID[None]), np.ones_like(GRID[None])
    activate(CODES[name], y, kept, 1, len(GRID))
    times_slope(CODES[name], y, kept, grad, 1, len(GRID))
    np.testing.assert_allclose(y[0], wanted.detach(), rtol=4e-7, atol=4e-7)
    np.testing.assert_allclose(grad[0], slope, rtol=2e-6, atol=1e-6)
    lost = np.full((1, 3), np.nan, np.float32)
    activate(CODES[name], lost, np.empty_like(lost), 1, 3)
    assert np.isnan(lost).all()


def test_the_logarithm_and_the_softplus():
    grid = np.exp(np.linspace(-80, 80, 4001)).astype(np.float32)
    close = np.linspace(0.5, 2, 2001).astype(np.float32)
    for x in (grid, close):
        got = np.array([log(value) for value in x])
        np.testing.assert_allclose(got, np.log(x.astype(float)), rtol=2e-7, atol=1e-7)
    assert log(np.float32(0)) == -np.inf
    assert log(np.float32(np.inf)) == np.inf
    assert np.isnan(log(np.float32(np.nan)))
    got = np.array([softplus(value) for value in GRID])
    wanted = np.logaddexp(0, GRID.astype(float))
    np.testing.assert_allclose(got, wanted, rtol=2e-7, atol=1.5e-7)
