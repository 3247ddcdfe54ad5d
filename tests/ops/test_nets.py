"""A net alone as one function of autograd."""

import pytest
import torch
from all_couplings import CONDITIONERS, ON_A_LATTICE
from support import perturbed

from rgflow.ops import apply_net, fast_net

NETS = {
    name: make for name, make in {**CONDITIONERS, **ON_A_LATTICE}.items() if fast_net(make(4, 6))
}
every_net = pytest.mark.parametrize("name", NETS)


def make(name):
    torch.manual_seed(0)
    net = perturbed(NETS[name](4, 6), 0.3)
    shape = (7, 4, 3, 4) if name in ON_A_LATTICE else (7, 4)
    return net, torch.randn(shape, dtype=torch.float64, requires_grad=True)


@every_net
def test_values_and_derivatives_of_first_and_second_order(name):
    net, x = make(name)
    leaves = [x, *net.parameters()]
    results = []
    for run in (apply_net, lambda net, x: net(x)):
        y = run(net, x)
        first = torch.autograd.grad(y.pow(2).sum(), leaves, retain_graph=True)
        again = torch.autograd.grad(y.pow(2).sum(), leaves, create_graph=True)
        for got, expected in zip(again, first, strict=True):
            torch.testing.assert_close(got, expected)
        norm = sum(g.square().sum() for g in again)
        second = torch.autograd.grad(norm, leaves, materialize_grads=True)
        results.append((y, *first, *second))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@every_net
def test_gradients_of_parts_alone(name):
    """Frozen parameters, or a fixed input, change nothing in the gradients of the others."""
    net, x = make(name)
    expected = torch.autograd.grad(net(x).sin().sum(), [x, *net.parameters()])
    (of_x,) = torch.autograd.grad(apply_net(net.requires_grad_(False), x).sin().sum(), x)
    torch.testing.assert_close(of_x, expected[0])
    net.requires_grad_()
    found = torch.autograd.grad(apply_net(net, x.detach()).sin().sum(), list(net.parameters()))
    torch.testing.assert_close(found, expected[1:])
    with torch.no_grad():
        assert not apply_net(net, x).requires_grad


@every_net
def test_under_autocast_the_whole_net_is_in_low_precision(name):
    net, x = make(name)
    net, x = net.float(), x.detach().float()
    exact = apply_net(net, x)
    with torch.autocast("cpu", torch.bfloat16):
        low = apply_net(net, x)
    assert low.dtype == torch.bfloat16
    assert (low - exact).norm() < 0.05 * exact.norm()
    parameters = list(net.parameters())
    for got, expected in zip(
        torch.autograd.grad(low.float().pow(2).sum(), parameters),
        torch.autograd.grad(exact.pow(2).sum(), parameters),
        strict=True,
    ):
        assert got.dtype == torch.float32
        assert (got - expected).norm() < 0.05 * expected.norm()
