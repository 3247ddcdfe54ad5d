"""A chain of couplings as one function, against its couplings run one by one."""

from weakref import ref

import pytest
import torch
from support import perturbed

from rgflow.bijectors import AffineCoupling, CouplingChain, SplineCoupling
from rgflow.bijectors.memory import run_in_sequence
from rgflow.conditioners import MLP, ConvNet, ResidualMLP

SPLIT = (3, 2)
NETS = {
    "residual": lambda inputs, outputs: ResidualMLP(inputs, outputs, hidden=5, blocks=2),
    "residual_with_entry": lambda i, o: ResidualMLP(i, o, width=4, hidden=5, blocks=1),
    "mlp": lambda i, o: MLP(i, o, (4, 5), ("tanh", "elu")),
    "mlp_of_the_other_activations": lambda i, o: MLP(i, o, (4, 5, 4), ("silu", "gelu", "relu")),
}


def chain(name, couplings=3):
    parts = []
    for i in range(couplings):
        reads = i % 2
        net = NETS[name](SPLIT[reads], 2 * SPLIT[1 - reads])
        parts.append(AffineCoupling(SPLIT, net, reads=reads, scale_bound=1.5))
    made = perturbed(CouplingChain(parts), 0.3)
    assert made._fits
    return made


def one_by_one(made, inverse):
    steps = list(made.bijectors)[:: -1 if inverse else 1]
    return lambda halves: run_in_sequence(steps, halves, "store", inverse=inverse)


def halves(samples=7, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(samples, n, generator=generator, dtype=dtype) for n in SPLIT]
    return tuple(draw.requires_grad_() for draw in draws)


def loss(result):
    (a, b), log_det = result
    weights = torch.linspace(-1, 1, len(log_det), dtype=log_det.dtype)
    return (a.sin().sum(1) * weights).sum() + b.pow(3).sum() + (log_det.square() * weights).sum()


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_values_and_gradients_of_first_and_second_order(name, inverse):
    made = chain(name)
    results = []
    for run in (made.inverse if inverse else made, one_by_one(made, inverse)):
        leaves = [*(x := halves()), *made.parameters()]
        value = loss(run(x))
        first = torch.autograd.grad(value, leaves, retain_graph=True)
        again = torch.autograd.grad(value, leaves, create_graph=True)
        for got, expected in zip(again, first, strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)
        norm = sum(g.square().sum() for g in again)
        results.append((value, *first, *torch.autograd.grad(norm, leaves)))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("output", [0, 1, 2])
def test_where_one_output_alone_is_used(output):
    made = chain("mlp")

    def gradients(run):
        leaves = [*(x := halves()), *made.parameters()]
        (a, b), log_det = run(x)
        return torch.autograd.grad((a, b, log_det)[output].sum(), leaves, allow_unused=True)

    for got, expected in zip(gradients(made), gradients(one_by_one(made, False)), strict=True):
        expected = torch.zeros_like(got) if expected is None else expected
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", NETS)
def test_with_frozen_parameters_and_in_either_order_of_memory(name):
    made = chain(name)
    made.requires_grad_(False)
    results = []
    for innermost in (False, True):
        x = halves()
        y = tuple(h.T.contiguous().T for h in x) if innermost else x
        results.append((value := loss(made(y)), *torch.autograd.grad(value, x)))
    results.append((value := loss(one_by_one(made, False)(x)), *torch.autograd.grad(value, x)))
    for result in results[1:]:
        for got, expected in zip(result, results[0], strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", NETS)
def test_nets_run_in_low_precision_under_autocast_and_the_rest_does_not(name):
    made = chain(name).float()
    leaves = [*(x := halves(dtype=torch.float32)), *made.parameters()]
    with torch.autocast("cpu", torch.bfloat16):
        low = loss(made(x))
        (image, _), log_det = made(x)
    assert image.dtype == log_det.dtype == torch.float32
    exact = loss(made(x))
    assert 0 < abs(low - exact) < 0.05 * abs(exact)
    of_low = torch.autograd.grad(low, leaves)
    for got, expected in zip(of_low, torch.autograd.grad(exact, leaves), strict=True):
        assert got.dtype == torch.float32
        assert (got - expected).norm() < 0.1 * expected.norm() + 1e-3
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(made(x))
    again = torch.autograd.grad(value, leaves, create_graph=True)
    for got, expected in zip(again, of_low, strict=True):
        assert (got - expected).norm() < 0.1 * expected.norm() + 1e-3


@pytest.mark.parametrize("name", NETS)
def test_a_graph_that_is_not_used_frees_what_it_kept(name):
    made = chain(name)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(ref(t)) or t, lambda t: t):
        result = made(halves())
    assert any(tensor() is not None for tensor in kept)
    own = {id(parameter) for parameter in (*made.parameters(), *made.buffers())}
    del result
    assert not [t for t in kept if t() is not None and id(t()) not in own]


def test_under_transforms():
    made = chain("residual")
    a, b = (h.detach() for h in halves())
    jacobian = torch.func.jacrev(lambda v: made((v, b))[0][1])(a)
    expected = torch.autograd.functional.jacobian(lambda v: made((v, b))[0][1], a)
    torch.testing.assert_close(jacobian, expected)


def test_other_couplings_run_one_by_one():
    affine = AffineCoupling(SPLIT, MLP(3, 4))
    assert not CouplingChain([affine])._fits  # one half is not touched
    spline = SplineCoupling(SPLIT, MLP(2, 3 * 23), reads=1)
    assert not CouplingChain([affine, spline])._fits
    lattice = [AffineCoupling((1, 1), ConvNet(1, 2), (4, 4), reads) for reads in (0, 1)]
    assert not CouplingChain(lattice)._fits
    wrong = [affine, AffineCoupling(SPLIT, MLP(2, 5), reads=1)]
    with pytest.raises(ValueError, match=r"gave \(5,\), expected \(6,\)"):
        CouplingChain(wrong)((torch.zeros(2, 3), torch.zeros(2, 2)))
