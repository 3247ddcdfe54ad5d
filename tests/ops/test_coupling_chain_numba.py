"""Machine code of chains against the same couplings in plain operations."""

from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import pytest
import torch
from support import perturbed
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from rgflow.bijectors import AffineCoupling, CouplingChain, SplineCoupling
from rgflow.conditioners.mlp import MLP, ResidualMLP
from rgflow.conditioners.separate_heads import SeparateHeads
from rgflow.ops import coupling_chain_numba as native
from rgflow.ops.coupling_chain import run_plainly
from rgflow.ops.kernels.tile import TILE
from rgflow.ops.perceptron_numba import WIDEST

SPLIT = (3, 2)
NETS = {
    "tanh_elu": lambda i, o: MLP(i, o, (10, 11), ("tanh", "elu")),
    "silu_relu": lambda i, o: MLP(i, o, (9, 4), ("silu", "relu")),
    "linear": lambda i, o: MLP(i, o, ()),
    "separate_heads": lambda i, o: SeparateHeads([MLP(i, o // 2, (10, 3)) for _ in range(2)]),
}


def chain(name="tanh_elu", couplings=4, net=None):
    torch.manual_seed(0)
    made = []
    for i in range(couplings):
        inputs, changed = SPLIT[i % 2], SPLIT[1 - i % 2]
        own = (net or NETS[name])(inputs, 2 * changed)
        made.append(AffineCoupling(SPLIT, own, (), i % 2, 1.0 + 0.5 * i))
    return perturbed(CouplingChain(made), 0.4).float()


def halves(samples, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(samples, n, generator=generator).to(dtype) for n in SPLIT]
    return tuple(draw.requires_grad_() for draw in draws)


def plainly(made, x, inverse):
    steps = list(made.bijectors)[:: -1 if inverse else 1]
    return run_plainly(steps, x, inverse=inverse)


def natively(made, x, inverse=False):
    assert native.suits(list(made.bijectors), x)
    return made.inverse(x) if inverse else made(x)


def loss(result):
    (a, b), log_det = result
    return a.sin().sum() + b.pow(2).sum() + (log_det.cos() + log_det).sum()


def results(run, made, x):
    output = run(made, x)
    (a, b), log_det = output
    leaves = [*x, *made.parameters()]
    return a, b, log_det, *torch.autograd.grad(loss(output), leaves, allow_unused=True)


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("samples", [1, 7, TILE, 2 * TILE + 13])
@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_values_and_gradients_are_right_to_rounding(name, inverse, samples):
    made = chain(name)
    got = results(lambda m, x: natively(m, x, inverse), made, halves(samples))
    exact = made.double()
    wanted = results(lambda m, x: plainly(m, x, inverse), exact, halves(samples, torch.float64))
    for found, expected in zip(got, wanted, strict=True):
        error = (found.double() - expected).norm() / expected.norm()
        assert error < 2e-5


@pytest.mark.parametrize("couplings", [1, 2])
def test_short_chains(couplings):
    made = chain(couplings=couplings)
    x = halves(5)
    got = results(natively, made, x)
    wanted = results(lambda m, x: plainly(m, x, False), made, x)
    for found, expected in zip(got, wanted, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (made(x)[0][0] is x[0]) == (couplings == 1)  # what nobody changes is given back


def test_where_one_output_alone_is_used():
    made, x = chain(), halves(5)
    leaves = [*x, *made.parameters()]
    for output in range(3):
        found = []
        for run in (natively, lambda m, x: plainly(m, x, False)):
            (a, b), log_det = run(made, x)
            value = (a, b, log_det)[output].sum()
            found.append(torch.autograd.grad(value, leaves, materialize_grads=True))
        for got, expected in zip(*found, strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_in_either_order_of_memory_and_with_frozen_parameters():
    made, x = chain(), halves(9)
    y = tuple(half.detach().T.contiguous().T.requires_grad_() for half in x)
    made.requires_grad_(False)
    for_x = torch.autograd.grad(loss(natively(made, x)), x)
    for_y = torch.autograd.grad(loss(natively(made, y)), y)
    wanted = torch.autograd.grad(loss(plainly(made, x, False)), x)
    for first, second, expected in zip(for_x, for_y, wanted, strict=True):
        assert torch.equal(first, second)
        torch.testing.assert_close(first, expected, rtol=1e-4, atol=1e-5)


def test_second_derivatives_and_many_gradients_at_once():
    made, x = chain("separate_heads"), halves(4)
    log_det = natively(made, x)[1]
    parameters = list(made.parameters())
    units = torch.eye(len(log_det))
    batched = torch.autograd.grad(
        log_det, parameters, units, is_grads_batched=True, retain_graph=True
    )
    for i, unit in enumerate(units):
        one = torch.autograd.grad(log_det, parameters, unit, retain_graph=True)
        for got, expected in zip(batched, one, strict=True):
            torch.testing.assert_close(got[i], expected, rtol=1e-4, atol=1e-5)
    norms = []
    for run in (natively, lambda m, x: plainly(m, x, False)):
        grads = torch.autograd.grad(loss(run(made, x)), x, create_graph=True)
        norm = sum(g.square().sum() for g in grads)
        norms.append((norm, *torch.autograd.grad(norm, [*x, *parameters], allow_unused=True)))
    for got, expected in zip(*norms, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-3)


def test_numbers_that_are_none_stay_so():
    made, x = chain(), halves(TILE)
    with torch.no_grad():
        x[0][5, 1] = float("nan")
    (a, b), log_det = natively(made, x)
    assert log_det.isnan().nonzero().tolist() == [[5]]
    assert a[5].isnan().any()
    assert b[5].isnan().all()
    grads = torch.autograd.grad(log_det.sum(), list(made.parameters()))
    assert any(grad.isnan().any() for grad in grads)


@pytest.mark.parametrize("name", ["tanh", "elu", "silu", "relu"])
def test_far_from_zero(name):
    """Nothing overflows where the function itself does not."""
    made = chain(couplings=2, net=lambda i, o: MLP(i, o, (4,), name))
    x = tuple((1000 * half.detach()).requires_grad_() for half in halves(50))
    found = []
    for run in (natively, lambda m, x: plainly(m, x, False)):
        (a, b), log_det = run(made, x)
        leaves = [*x, *made.parameters()]
        grads = torch.autograd.grad(a.sum() + b.sum() + log_det.sum(), leaves)
        found.append((a, b, log_det, *grads))
    for got, expected in zip(*found, strict=True):
        assert got.isfinite().all()
        assert (got - expected).norm() < 1e-4 * expected.norm()


def test_a_graph_that_is_not_used_frees_what_it_kept():
    made = chain()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(ref(t)) or t, lambda t: t):
        result = natively(made, halves(8))
    own = {id(parameter) for parameter in made.parameters()}
    assert [t for t in kept if t() is not None and id(t()) not in own]
    del result
    assert not [t for t in kept if t() is not None and id(t()) not in own]


def test_without_gradient_nothing_is_kept(monkeypatch):
    from rgflow.ops.kernels import affine_chain

    made, x, rows = chain(), halves(8), []
    run = affine_chain.run
    monkeypatch.setattr(affine_chain, "run", lambda *a: rows.append(len(a[7])) or run(*a))
    with torch.no_grad():
        natively(made, x)
    natively(made, x)
    assert rows == [0, 2 * sum(SPLIT)]


def test_what_there_is_no_machine_code_for():
    x = halves(3)
    assert native.suits(list(chain().bijectors), x)
    assert not native.suits(list(chain().bijectors), halves(3, torch.float64))
    assert not native.suits(list(chain().double().bijectors), x)
    assert not native.suits(list(chain().bijectors), halves(0))
    with torch.autocast("cpu", torch.bfloat16):
        assert not native.suits(list(chain().bijectors), x)
    wide, gelu, residual, deeper = (
        chain(net=net)
        for net in (
            lambda i, o: MLP(i, o, (WIDEST + 1,)),
            lambda i, o: MLP(i, o, (4,), "gelu"),
            lambda i, o: ResidualMLP(i, o, hidden=4, blocks=1),
            lambda i, o: MLP(i, o, (4,) * i),
        )
    )
    for made in (wide, gelu, residual, deeper):
        assert not native.suits(list(made.bijectors), x)
        assert made(x)[1].shape == (3,)
    splines = CouplingChain([SplineCoupling(SPLIT, MLP(3, 2 * 11), bins=4)])
    assert not native.suits(list(splines.bijectors), x)
    assert CouplingChain(list(chain().bijectors))(halves(0))[1].shape == (0,)


class Halved(MLP):
    def evaluate(self, x, ready):
        out, kept = super().evaluate(x, ready)
        return out / 2, kept


class Doubled(AffineCoupling):
    def evaluate(self, b, parameters, *, inverse):
        image, log_det, kept = super().evaluate(b, parameters, inverse=inverse)
        return image, 2 * log_det, kept


def test_what_a_subclass_says_counts():
    first = AffineCoupling(SPLIT, MLP(3, 4))
    other = Doubled(SPLIT, first.conditioner)
    made = perturbed(CouplingChain([first, other]), 0.3).float()
    first, other = made.bijectors
    (_, _), log_det = made(x := halves(4))
    torch.testing.assert_close(
        log_det, CouplingChain([first])(x)[1] + CouplingChain([other])(x)[1]
    )
    assert native.suits([first], x)
    for net in (Halved(3, 4), SeparateHeads([Halved(3, 2), Halved(3, 2)])):
        assert not native.suits([AffineCoupling(SPLIT, net)], x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_second_derivatives_are_those_at_the_parameters_of_the_call(dtype):
    made = chain().to(dtype)
    others = {name: 1.3 * p.detach() for name, p in made.named_parameters()}
    for value in others.values():
        value.requires_grad_()
    (a, _), _ = torch.func.functional_call(made, others, (x := halves(4, dtype),))
    plain = torch.autograd.grad(a.sum(), x, retain_graph=True)
    again = torch.autograd.grad(a.sum(), x, create_graph=True)
    for got, expected in zip(again, plain, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    found = torch.autograd.grad(again[0].square().sum(), list(others.values()), allow_unused=True)
    assert any(grad is not None and grad.any() for grad in found)


def test_who_follows_operations_sees_them():
    made, (a, b) = chain(), (half.detach() for half in halves(4))
    with torch.no_grad():
        wanted = made((a, b))[1]
        traced = make_fx(lambda a, b: made((a, b))[1])(a, b)
        torch.testing.assert_close(traced(a, b), wanted, rtol=1e-4, atol=1e-5)
        with FlopCounterMode(display=False) as counter:
            made((a, b))
        assert counter.get_total_flops() > 0
    net = made.bijectors[0].conditioner
    with forward_ad.dual_level(), torch.no_grad():
        out = net(forward_ad.make_dual(a, torch.ones_like(a)))
        assert forward_ad.unpack_dual(out).tangent is not None


def test_parameters_of_another_size_are_not_read():
    made = chain()
    net = made.bijectors[-1].conditioner
    net.biases = torch.nn.Parameter(net.biases.detach()[:-1])
    with pytest.raises(RuntimeError, match="equal size"):
        made(halves(4))
    wrong = CouplingChain([AffineCoupling(SPLIT, MLP(2, 4))])  # it reads three
    with pytest.raises(RuntimeError):
        wrong(halves(4))


def test_several_threads_of_python_at_once():
    made, x = chain(), tuple(half.detach() for half in halves(3 * TILE))
    wanted = made(x)[1]
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: made(x)[1], range(20)):
            assert torch.equal(result, wanted)
