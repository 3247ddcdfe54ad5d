"""Every transform with every conditioner, in plain torch and in the faster ways."""

import os
import subprocess
import sys

import pytest
import torch
from all_couplings import CHAINS, make_chain, random_halves, some_loss
from support import perturbed

from rgflow.bijectors import Affine, AffineCoupling, CouplingChain, RationalQuadratic
from rgflow.conditioners import MLP, SeparateHeads
from rgflow.ops import fast_net, has_faster_way, plain
from rgflow.ops.choice import hand_written_gradients, machine_code

every_chain = pytest.mark.parametrize("name", CHAINS)
both_directions = pytest.mark.parametrize("inverse", [False, True], ids=["forward", "inverse"])


def results(made, dtype, inverse, *, order=1):
    """Images, log_det, and gradients in the halves and in all parameters."""
    leaves = [*(x := random_halves(made, dtype=dtype)), *made.parameters()]
    output = made.inverse(x) if inverse else made(x)
    (a, b), log_det = output
    first = torch.autograd.grad(
        some_loss(output), leaves, create_graph=order == 2, materialize_grads=True
    )
    if order == 1:
        return a, b, log_det, *first
    norm = sum(grad.square().sum() for grad in first)
    return *first, *torch.autograd.grad(norm, leaves, materialize_grads=True)


@every_chain
@both_directions
@pytest.mark.parametrize("order", [1, 2])
def test_values_and_derivatives_in_float64(name, inverse, order):
    made = CHAINS[name]()
    fast = results(made, torch.float64, inverse, order=order)
    with plain():
        expected = results(made, torch.float64, inverse, order=order)
    for got, wanted in zip(fast, expected, strict=True):
        assert (got - wanted).norm() <= 1e-9 * wanted.norm() + 1e-10


@every_chain
@both_directions
def test_float32_is_as_near_to_float64_as_plain_torch_is(name, inverse):
    made = CHAINS[name]()
    with plain():
        exact = results(made, torch.float64, inverse)
    made.float()
    fast = results(made, torch.float32, inverse)
    with plain():
        slow = results(made, torch.float32, inverse)
    for got, other, wanted in zip(fast, slow, exact, strict=True):
        assert got.dtype == other.dtype == torch.float32
        scale = wanted.norm() + 1e-3
        assert (got - wanted).norm() <= 1e-5 * scale + 4 * (other - wanted).norm()


@every_chain
@both_directions
def test_nets_compute_in_bfloat16_under_autocast_and_transforms_do_not(name, inverse):
    made = CHAINS[name]().float()
    exact = results(made, torch.float32, inverse)
    with torch.autocast("cpu", torch.bfloat16):
        fast = results(made, torch.float32, inverse)
        with plain():
            slow = results(made, torch.float32, inverse)
    assert any((got - wanted).norm() > 1e-6 for got, wanted in zip(fast, exact, strict=True))
    for got, other, wanted in zip(fast, slow, exact, strict=True):
        assert got.dtype == other.dtype == torch.float32
        scale = wanted.norm() + 0.1
        assert (got - wanted).norm() < 0.02 * scale + 2 * (other - wanted).norm()


@every_chain
def test_under_the_transforms_of_torch_func(name):
    made = CHAINS[name]()
    a, b = (h.detach() for h in random_halves(made, 2))
    jacobian = torch.func.jacrev(lambda v: made((v, b))[0][1])(a)
    expected = torch.autograd.functional.jacobian(lambda v: made((v, b))[0][1], a)
    torch.testing.assert_close(jacobian, expected)


@every_chain
def test_gradients_in_the_parameters_by_sample(name):
    made = CHAINS[name]()

    def log_det_of(values, *x):
        return torch.func.functional_call(made, values, (x,))[1].sum()

    x = tuple(half.detach()[:, None] for half in random_halves(made, 3))
    values = {key: value.detach() for key, value in made.named_parameters()}
    by_sample = torch.func.vmap(torch.func.grad(log_det_of), (None, 0, 0))(values, *x)
    log_det = made(random_halves(made, 3))[1]
    parameters = list(made.parameters())
    for i, one in enumerate(log_det):
        expected = torch.autograd.grad(one, parameters, retain_graph=True, materialize_grads=True)
        for got, value in zip(by_sample.values(), expected, strict=True):
            torch.testing.assert_close(got[i], value)


@pytest.mark.parametrize("order", [1, 2])
def test_a_net_that_several_couplings_share(order):
    net = MLP(2, 4, (4,), "tanh")
    made = perturbed(
        CouplingChain([AffineCoupling((2, 2), net, reads=i % 2) for i in range(3)]), 0.3
    )
    fast = results(made, torch.float64, False, order=order)
    with plain():
        expected = results(made, torch.float64, False, order=order)
    for got, wanted in zip(fast, expected, strict=True):
        torch.testing.assert_close(got, wanted)


def test_a_new_transform_needs_plain_torch_alone():
    made = make_chain("sinh_arcsinh", "mlp")
    assert made.bijectors[0].transform.fast is None
    assert not has_faster_way(made.bijectors)
    assert not made.batch_innermost


class Halved(MLP):
    def forward(self, x):
        return super().forward(x) / 2


class Doubled(Affine):
    def forward(self, b, theta):
        image, log_slope = super().forward(b, theta)
        return image, 2 * log_slope


class Renamed(MLP):
    """Computes what its parent does."""


def test_a_subclass_that_computes_something_else_has_no_faster_way():
    assert Doubled().fast is None
    assert fast_net(Halved(2, 3)) is None
    assert fast_net(Renamed(2, 3)) == MLP(2, 3).fast
    assert SeparateHeads([Halved(2, 3)]).fast is None
    with pytest.raises(ValueError, match="architectures"):
        SeparateHeads([MLP(2, 3), MLP(2, 3, (5,))])
    x = random_halves(made := make_chain("affine", "mlp"))
    coupling = made.bijectors[0]
    whole = made.bijectors[0](x)[1]
    coupling.transform = Doubled(1.5)
    torch.testing.assert_close(coupling(x)[1], 2 * whole)


class Shifted:
    def forward(self, b, theta):
        return b + theta[1], torch.zeros_like(b)


class ShiftedAffine(Shifted, Affine):
    """Another map by a mix-in."""


class FlatSpline(RationalQuadratic):
    def _knots(self, theta):
        return super()._knots(0 * theta)


class Reversed(AffineCoupling):
    def apply_with(self, halves, net, *, inverse):
        return super().apply_with(halves, net, inverse=not inverse)


def test_nor_has_one_with_a_mixin_or_with_another_part():
    assert ShiftedAffine().fast is None
    assert FlatSpline().fast is None
    assert not has_faster_way([Reversed((3, 2), MLP(3, 4))])
    assert has_faster_way([AffineCoupling((3, 2), MLP(3, 4))])


def test_the_faster_ways_are_switched_off_and_on():
    assert hand_written_gradients()
    assert machine_code(torch.zeros(1))
    with plain():
        assert not hand_written_gradients()
        assert not machine_code(torch.zeros(1))
        with plain():
            pass
        assert not hand_written_gradients()
    assert hand_written_gradients()


def test_an_environment_variable_switches_them_off():
    code = "from rgflow.ops.choice import hand_written_gradients as h; print(h())"
    environment = os.environ | {"RGFLOW_PLAIN": "1"}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_what_was_computed_plainly_is_differentiated_plainly(monkeypatch):
    made = CouplingChain(
        [AffineCoupling((3, 2), MLP(3, 4)), AffineCoupling((3, 2), MLP(2, 6), reads=1)]
    )
    with plain():
        output = made(random_halves(made, dtype=torch.float32))
    monkeypatch.setattr("rgflow.ops.coupling_chain._Couplings.backward", None)
    monkeypatch.setattr("rgflow.ops.coupling_chain_numba._Chain.backward", None)
    torch.autograd.grad(some_loss(output), list(made.parameters()))
