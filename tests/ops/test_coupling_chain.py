"""What a chain of couplings as one function of autograd does beside values and gradients."""

from weakref import ref

import pytest
import torch
from all_couplings import CHAINS, SPLIT, make_chain, random_halves, some_loss

from rgflow.bijectors import AffineCoupling, CouplingChain
from rgflow.conditioners import MLP, ConvNet, PatchMLP
from rgflow.ops import FastPerceptron, has_faster_way, plain

WITH_A_FASTER_WAY = [name for name, make in CHAINS.items() if has_faster_way(make().bijectors)]
every_fast_chain = pytest.mark.parametrize("name", WITH_A_FASTER_WAY)


def test_the_chains_that_have_a_faster_way():
    nets = ("mlp", "linear", "residual", "residual_with_entry", "separate_heads", "patches")
    expected = {f"{transform}-{net}" for transform in ("affine", "spline") for net in nets}
    assert expected <= set(WITH_A_FASTER_WAY)
    assert not any("conv" in name or "sinh" in name for name in WITH_A_FASTER_WAY)


@pytest.mark.parametrize("output", [0, 1, 2])
@pytest.mark.parametrize("couplings", [1, 3])
def test_where_one_output_alone_is_used(output, couplings):
    made = make_chain("spline", "patches", couplings)

    def gradients():
        leaves = [*(x := random_halves(made)), *made.parameters()]
        (a, b), log_det = made(x)
        return torch.autograd.grad((a, b, log_det)[output].sum(), leaves, allow_unused=True)

    with plain():
        expected = gradients()
    for got, wanted in zip(gradients(), expected, strict=True):
        got, wanted = (torch.zeros(1) if g is None else g for g in (got, wanted))
        if not wanted.any():
            assert not got.any()
            continue
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-11)


@every_fast_chain
def test_with_frozen_parameters_and_in_either_order_of_memory(name):
    made = CHAINS[name]()
    made.requires_grad_(False)
    results = []
    for innermost in (False, True):
        x = random_halves(made)
        y = tuple(h.movedim(0, -1).contiguous().movedim(-1, 0) for h in x) if innermost else x
        results.append((value := some_loss(made(y)), *torch.autograd.grad(value, x)))
    with plain():
        results.append((value := some_loss(made(x)), *torch.autograd.grad(value, x)))
    for result in results[1:]:
        for got, expected in zip(result, results[0], strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-11)


@every_fast_chain
def test_second_derivatives_of_nets_in_low_precision(name):
    """They are computed again in plain torch, also in low precision."""
    made = CHAINS[name]().float()
    leaves = [*(x := random_halves(made, dtype=torch.float32)), *made.parameters()]
    with torch.autocast("cpu", torch.bfloat16):
        once, again = some_loss(made(x)), some_loss(made(x))
    first = torch.autograd.grad(once, leaves)
    second = torch.autograd.grad(again, leaves, create_graph=True)
    for got, expected in zip(second, first, strict=True):
        assert got.dtype == torch.float32
        assert (got - expected).norm() < 0.1 * expected.norm() + 1e-2


@every_fast_chain
def test_a_graph_that_is_not_used_frees_what_it_saved(name):
    made = CHAINS[name]()
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: saved.append(ref(t)) or t, lambda t: t
    ):
        result = made(random_halves(made))
    assert any(tensor() is not None for tensor in saved)
    own = {id(parameter) for parameter in (*made.parameters(), *made.buffers())}
    del result
    assert not [t for t in saved if t() is not None and id(t()) not in own]


# torch itself fails to batch the gradients of rolled tensors and of splines
@pytest.mark.parametrize(
    "name",
    [
        n
        for n in WITH_A_FASTER_WAY
        if n.startswith("affine") and "patch" not in n and "site" not in n
    ],
)
def test_many_gradients_at_once(name):
    made = CHAINS[name]()
    parameters = list(made.parameters())
    log_det = made(random_halves(made))[1]
    units = torch.eye(len(log_det), dtype=log_det.dtype)
    options = {"retain_graph": True}
    batched = torch.autograd.grad(log_det, parameters, units, is_grads_batched=True, **options)
    one = [torch.autograd.grad(log_det, parameters, unit, **options) for unit in units]
    for got, *expected in zip(batched, *one, strict=True):
        torch.testing.assert_close(got, torch.stack(expected))


def test_a_half_that_nobody_changes_is_the_tensor_that_was_given():
    made = make_chain("affine", "mlp", couplings=1)
    a, b = random_halves(made)
    (same, _), _ = made((a, b))
    assert same is a


def test_other_couplings_run_one_by_one():
    affine = AffineCoupling((1, 1), PatchMLP(1, 2), (4, 4))
    conv = AffineCoupling((1, 1), ConvNet(1, 2), (4, 4), 1)
    assert has_faster_way([affine])
    assert not has_faster_way([conv])
    assert not CouplingChain([affine, conv]).batch_innermost
    assert not CouplingChain([affine, affine], "recompute").batch_innermost
    wrong = [AffineCoupling(SPLIT, MLP(4, 4)), AffineCoupling(SPLIT, MLP(2, 5), reads=1)]
    with pytest.raises(ValueError, match=r"gave \(5,\), expected \(8,\)"):
        CouplingChain(wrong)((torch.zeros(2, 4), torch.zeros(2, 2)))


def test_large_nets_are_prepared_each_alone(monkeypatch):
    made = make_chain("affine", "mlp")
    made = CouplingChain([made.bijectors[i] for i in (0, 2)])

    def results():
        leaves = [*(x := random_halves(made)), *made.parameters()]
        value = some_loss(made(x))
        return value, *torch.autograd.grad(value, leaves, materialize_grads=True)

    prepared = []
    prepare = FastPerceptron.prepare
    monkeypatch.setattr(
        FastPerceptron,
        "prepare",
        lambda self, p, t: prepared.append(len(p)) or prepare(self, p, t),
    )
    together = results()
    monkeypatch.setattr("rgflow.ops.alike.MAX_STACKED_PARAMETERS", 0)
    for got, expected in zip(results(), together, strict=True):
        torch.testing.assert_close(got, expected)
    assert prepared == [2, 1, 1]
