"""Perceptrons in machine code against plain operations."""

import pytest
import torch

from rgflow.conditioners import MLP
from rgflow.ops import perceptron_numba
from rgflow.ops.kernels.tile import TILE
from rgflow.ops.perceptron import LinearMaps, SavedInput


def net(hidden, names):
    torch.manual_seed(0)
    made = MLP(3, 5, hidden, names)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0, 0.5)
    return made


def prepared(made, dtype):
    parameters = [parameter.to(dtype) for parameter in made.parameter_list()]
    stacks = made.fast.prepare([parameters], dtype).weights
    return LinearMaps(*(tuple(tensor[0] for tensor in part) for part in stacks))


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
        weights = prepared(made, dtype)
        out, saved = made.fast.forward(x.to(dtype), weights)
        assert isinstance(saved, SavedInput) == (dtype == torch.float32)
        of_x, found = made.fast.vjp(grad.to(dtype), weights, saved, of_weights=True)
        results.append([out, of_x, *found.matrices, *found.offsets])
        alone, none = made.fast.vjp(grad.to(dtype), weights, saved, of_weights=False)
        assert torch.equal(alone, of_x)
        assert none == ()
    for got, expected in zip(*results, strict=True):
        assert got.dtype == torch.float32
        assert got.shape == expected.shape
        assert (got - expected).norm() < 1e-5 * expected.norm()


def test_where_there_is_no_machine_code():
    x = torch.zeros(2, 3)

    def suits(made, x=x, dtype=torch.float32):
        with torch.no_grad():
            return perceptron_numba.suits(made.fast, x, prepared(made, dtype))

    assert suits(net((4,), "tanh"))
    assert not suits(net((4,), "gelu"))
    assert not suits(net((), ()))
    assert not suits(net((perceptron_numba.WIDEST + 1,), "tanh"))
    assert not suits(net((4,), "tanh"), x[:0])
    assert not suits(net((4,), "tanh"), x[:, :2])
    assert not suits(net((4,), "tanh"), x.double(), torch.float64)
    made = net((4,), "tanh")  # and not where a graph is wanted
    assert not perceptron_numba.suits(made.fast, x, prepared(made, torch.float32))
