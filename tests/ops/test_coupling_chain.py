"""Couplings as one function, alone or in a chain, against plain operations."""

from weakref import ref

import pytest
import torch
from support import perturbed

from rgflow.bijectors import AffineCoupling, CouplingChain, SplineCoupling
from rgflow.conditioners.lattice import ConvNet, PatchMLP
from rgflow.conditioners.mlp import MLP, ResidualMLP
from rgflow.conditioners.separate_heads import SeparateHeads
from rgflow.ops.coupling_chain import run_plainly

SPLIT = (3, 2)
LATTICE = (3, 4)
NETS = {
    "residual": lambda inputs, outputs: ResidualMLP(inputs, outputs, hidden=5, blocks=2),
    "residual_with_entry": lambda i, o: ResidualMLP(i, o, width=4, hidden=5, blocks=1),
    "mlp": lambda i, o: MLP(i, o, (4, 5), ("tanh", "elu")),
    "mlp_of_the_other_activations": lambda i, o: MLP(i, o, (4, 5, 4), ("silu", "gelu", "relu")),
    "separate_heads": lambda i, o: SeparateHeads([MLP(i, o // 2, (4, 5)) for _ in range(2)]),
}


CHAINS = [*NETS, "spline", "patches", "patches_and_splines"]


def chain(name, couplings=3):
    torch.manual_seed(0)
    parts = []
    for i in range(couplings):
        reads = i % 2
        inputs, changed = SPLIT[reads], SPLIT[1 - reads]
        lattice = LATTICE if name.startswith("patches") else ()
        if name.endswith("spline") or (name.endswith("splines") and i):
            outputs, kind = (3 * 4 - 1) * changed, {"bins": 4, "bound": 1.5}
            make = SplineCoupling
        else:
            outputs, kind = 2 * changed, {"scale_bound": 1.5}
            make = AffineCoupling
        if lattice:
            net = PatchMLP(inputs, outputs, (3, 1)[i % 2], (4,))
        else:
            net = NETS.get(name, NETS["mlp"])(inputs, outputs // 2 * 2)
            net = net if name != "spline" else MLP(inputs, outputs, (4,))
        parts.append(make(SPLIT, net, lattice, reads, **kind))
    made = perturbed(CouplingChain(parts), 0.3)
    assert made.batch_innermost
    return made


def one_by_one(made, inverse):
    steps = list(made.bijectors)[:: -1 if inverse else 1]
    return lambda halves: run_plainly(steps, halves, inverse=inverse)


def halves(made, samples=7, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randn(samples, *n, generator=generator, dtype=dtype) for n in made.event_shape]
    return tuple(draw.requires_grad_() for draw in draws)


def loss(result):
    (a, b), log_det = result
    weights = torch.linspace(-1, 1, len(log_det), dtype=log_det.dtype)
    a = a.flatten(1).sin().sum(1)
    return (a * weights).sum() + b.pow(3).sum() + (log_det.square() * weights).sum()


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("name", CHAINS)
def test_values_and_gradients_of_first_and_second_order(name, inverse):
    made = chain(name)
    results = []
    for run in (made.inverse if inverse else made, one_by_one(made, inverse)):
        leaves = [*(x := halves(made)), *made.parameters()]
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
@pytest.mark.parametrize("couplings", [1, 3])
def test_where_one_output_alone_is_used(output, couplings):
    made = chain("patches_and_splines", couplings)

    def gradients(run):
        leaves = [*(x := halves(made)), *made.parameters()]
        (a, b), log_det = run(x)
        return torch.autograd.grad((a, b, log_det)[output].sum(), leaves, allow_unused=True)

    for got, expected in zip(gradients(made), gradients(one_by_one(made, False)), strict=True):
        got, expected = (torch.zeros(1) if g is None else g for g in (got, expected))
        if not expected.any():
            assert not got.any()
            continue
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", CHAINS)
def test_with_frozen_parameters_and_in_either_order_of_memory(name):
    made = chain(name)
    made.requires_grad_(False)
    results = []
    for innermost in (False, True):
        x = halves(made)
        y = tuple(h.movedim(0, -1).contiguous().movedim(-1, 0) for h in x) if innermost else x
        results.append((value := loss(made(y)), *torch.autograd.grad(value, x)))
    results.append((value := loss(one_by_one(made, False)(x)), *torch.autograd.grad(value, x)))
    for result in results[1:]:
        for got, expected in zip(result, results[0], strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", CHAINS)
def test_nets_run_in_low_precision_under_autocast_and_the_rest_does_not(name):
    made = chain(name).float()
    leaves = [*(x := halves(made, dtype=torch.float32)), *made.parameters()]
    with torch.autocast("cpu", torch.bfloat16):
        low = loss(made(x))
        (image, _), log_det = made(x)
    assert image.dtype == log_det.dtype == torch.float32
    (exact_image, _), _ = made(x)
    exact = loss(made(x))
    assert 0 < (image - exact_image).norm() < 0.05 * exact_image.norm()
    of_low = torch.autograd.grad(low, leaves)
    for got, expected in zip(of_low, torch.autograd.grad(exact, leaves), strict=True):
        assert got.dtype == torch.float32
        assert (got - expected).norm() < 0.1 * expected.norm() + 1e-3
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(made(x))
    again = torch.autograd.grad(value, leaves, create_graph=True)
    for got, expected in zip(again, of_low, strict=True):
        assert (got - expected).norm() < 0.1 * expected.norm() + 1e-3


@pytest.mark.parametrize("name", CHAINS)
def test_a_graph_that_is_not_used_frees_what_it_kept(name):
    made = chain(name)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(ref(t)) or t, lambda t: t):
        result = made(halves(made))
    assert any(tensor() is not None for tensor in kept)
    own = {id(parameter) for parameter in (*made.parameters(), *made.buffers())}
    del result
    assert not [t for t in kept if t() is not None and id(t()) not in own]


@pytest.mark.parametrize("name", ["residual", "patches_and_splines"])
def test_under_transforms(name):
    made = chain(name)
    a, b = (h.detach() for h in halves(made, 2))
    jacobian = torch.func.jacrev(lambda v: made((v, b))[0][1])(a)
    expected = torch.autograd.functional.jacobian(lambda v: made((v, b))[0][1], a)
    torch.testing.assert_close(jacobian, expected)


def test_a_half_that_nobody_changes_is_the_tensor_that_was_given():
    coupling = AffineCoupling(SPLIT, MLP(3, 4))
    a, b = halves(coupling)
    (same, _), _ = coupling((a, b))
    assert same is a


def test_other_couplings_run_one_by_one():
    affine = AffineCoupling((1, 1), PatchMLP(1, 2), (4, 4))
    conv = AffineCoupling((1, 1), ConvNet(1, 2), (4, 4), 1)
    assert affine.explicit
    assert not conv.explicit
    assert not CouplingChain([affine, conv]).batch_innermost
    assert not CouplingChain([affine, affine], "recompute").batch_innermost
    wrong = [AffineCoupling(SPLIT, MLP(3, 4)), AffineCoupling(SPLIT, MLP(2, 5), reads=1)]
    with pytest.raises(ValueError, match=r"gave \(5,\), expected \(6,\)"):
        CouplingChain(wrong)((torch.zeros(2, 3), torch.zeros(2, 2)))


@pytest.mark.parametrize("name", NETS)
def test_many_gradients_at_once(name):
    made = chain(name)
    parameters = list(made.parameters())
    log_det = made(halves(made))[1]
    units = torch.eye(len(log_det), dtype=log_det.dtype)
    options = {"retain_graph": True}
    batched = torch.autograd.grad(log_det, parameters, units, is_grads_batched=True, **options)
    one = [torch.autograd.grad(log_det, parameters, unit, **options) for unit in units]
    for got, *expected in zip(batched, *one, strict=True):
        torch.testing.assert_close(got, torch.stack(expected))


@pytest.mark.parametrize("name", CHAINS)
def test_gradients_in_the_parameters_by_sample(name):
    made = chain(name)

    def log_det_of(values, *x):
        return torch.func.functional_call(made, values, (x,))[1].sum()

    x = tuple(half.detach()[:, None] for half in halves(made))
    values = {key: value.detach() for key, value in made.named_parameters()}
    by_sample = torch.func.vmap(torch.func.grad(log_det_of), (None, 0, 0))(values, *x)
    log_det = made(halves(made))[1]
    for i, one in enumerate(log_det):
        expected = torch.autograd.grad(one, list(made.parameters()), retain_graph=True)
        for got, value in zip(by_sample.values(), expected, strict=True):
            torch.testing.assert_close(got[i], value)


def test_large_nets_are_prepared_each_alone(monkeypatch):
    made = chain("mlp")

    def results():
        leaves = [*(x := halves(made)), *made.parameters()]
        value = loss(made(x))
        return value, *torch.autograd.grad(value, leaves)

    together = results()
    prepared = []
    prepare = MLP.prepare
    monkeypatch.setattr("rgflow.ops.coupling_chain.LARGEST", 0)
    monkeypatch.setattr(
        MLP, "prepare", lambda self, t, dtype: prepared.append(len(t)) or prepare(self, t, dtype)
    )
    for got, expected in zip(results(), together, strict=True):
        torch.testing.assert_close(got, expected)
    assert prepared == [1, 1, 1]
