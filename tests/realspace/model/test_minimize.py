"""Minima, saddles and minima at infinity."""

import pytest
import torch

from rgflow.realspace.model.minimize import minimize


def test_minimum_of_a_curved_valley():
    def rosenbrock(x):
        return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2

    best = minimize(rosenbrock, torch.tensor([-1.2, 1.0], dtype=torch.float64))
    assert best.argument.tolist() == pytest.approx([1, 1], abs=1e-12)
    assert best.gradient_norm < 1e-10


def test_flat_directions_are_left_alone():
    best = minimize(lambda x: (x[0] * x[1] - 2) ** 2, torch.tensor([0.5, 0.7]).double())
    assert best.argument.prod().item() == pytest.approx(2, abs=1e-13)


def test_saddle_is_left():
    best = minimize(lambda x: (x[0] ** 2 - 1) ** 2 + x[1] ** 2, torch.tensor([0.0, 1.0]).double())
    assert best.argument.tolist() == pytest.approx([1, 0], abs=1e-12)
    assert best.converged


def test_minimum_at_infinity_is_not_converged():
    best = minimize(lambda x: torch.exp(-x[0]) + x[1] ** 2, torch.tensor([0.0, 1.0]).double())
    assert best.gradient_norm < 1e-9
    assert not best.converged


def test_single_precision_is_refused():
    with pytest.raises(ValueError, match="float64"):
        minimize(lambda x: x.square().sum(), torch.ones(2))
