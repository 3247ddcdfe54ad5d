"""Perceptrons in machine code against plain operations."""

import pytest
import torch

from rgflow.conditioners.mlp import MLP
from rgflow.ops import perceptron
from rgflow.ops import perceptron_numba as native_perceptron
from rgflow.ops.kernels.tile import TILE


def net(hidden, names):
    torch.manual_seed(0)
    made = MLP(3, 5, hidden, names)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.5)
    return made


def prepared(made, dtype):
    return [t[0] for t in made.prepare([[p.to(dtype) for p in made.tensors()]], dtype)[0]]


@torch.no_grad()
@pytest.mark.parametrize("samples", [1, TILE + 7])
@pytest.mark.parametrize(
    ("hidden", "names"),
    [((4,), "tanh"), ((7, 6), ("elu", "silu")), ((5, 4, 3), ("relu", "tanh", "elu"))],
)
def test_values_and_gradients_are_right_to_rounding(hidden, names, samples):
    made = net(hidden, names)
    x, grad = torch.randn(3, samples).T, torch.randn(samples, 5)
    results = []
    for dtype in (torch.float32, torch.float64):
        ready = prepared(made, dtype)
        out, kept = perceptron.evaluate(x.to(dtype), ready, made.layers)
        assert (len(kept) == 1) == (dtype == torch.float32)
        of_x, of_ready = perceptron.pull_back(grad.to(dtype), ready, kept, made.layers)
        results.append([out, of_x, *of_ready])
        of_x_alone, none = perceptron.pull_back(grad.to(dtype), ready, kept, made.layers, False)
        assert torch.equal(of_x_alone, of_x)
        assert none == []
    for got, expected in zip(*results, strict=True):
        assert got.dtype == torch.float32
        assert got.shape == expected.shape
        assert (got - expected).norm() < 1e-5 * expected.norm()


def test_where_there_is_no_machine_code():
    x = torch.zeros(2, 3)

    def suits(made, x=x, dtype=torch.float32):
        with torch.no_grad():
            return native_perceptron.suits(x, prepared(made, dtype), made.layers)

    assert suits(net((4,), "tanh"))
    assert not suits(net((4,), "gelu"))
    assert not suits(net((), ()))
    assert not suits(net((native_perceptron.WIDEST + 1,), "tanh"))
    assert not suits(net((4,), "tanh"), x[:0])
    assert not suits(net((4,), "tanh"), x[:, :2])
    assert not suits(net((4,), "tanh"), x.double(), torch.float64)
    made = net((4,), "tanh")
    assert not native_perceptron.suits(x, prepared(made, torch.float32), made.layers)  # a graph
