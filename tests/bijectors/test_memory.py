"""The memory modes give the same numbers and keep what they say."""

import pytest
import torch
from support import perturbed
from torch.autograd import forward_ad

from rgflow.bijectors import Chain, ElementwiseAffine
from rgflow.models import BlockLevels, BlockNet, ConvLevels, CouplingKind, block_flow, conv_flow

FLOWS = {
    "conv": lambda memory: conv_flow(8, 2, ConvLevels(4, hidden=6, mixing="pairs"), memory=memory),
    "block": lambda memory: block_flow(
        8, 2, BlockLevels(4, 3), BlockNet(hidden=8, residual_blocks=1), memory=memory
    ),
    "spline": lambda memory: conv_flow(
        8, 1, ConvLevels(2, hidden=6), kind=CouplingKind("spline"), memory=memory
    ),
}


def gradients(flow, direction):
    flow.zero_grad()
    x = torch.randn(
        3, *flow.event_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    x.requires_grad_()
    y, log_det = getattr(flow.bijector, direction)(x)
    ((y**2).sum() + (log_det * torch.arange(1.0, 4.0)).sum()).backward()
    return [x.grad, *(p.grad for p in flow.parameters())]


@pytest.mark.parametrize("memory", ["recompute", "rebuild"])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("kind", FLOWS)
def test_gradients_do_not_depend_on_the_memory_mode(kind, direction, memory):
    reference, flow = (perturbed(FLOWS[kind](m)) for m in ("store", memory))
    flow.load_state_dict(reference.state_dict())
    for expected, got in zip(
        gradients(reference, direction), gradients(flow, direction), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-10)


def kept_bytes(flow, batch):
    """Bytes that autograd holds between the forward and the backward pass, parameters apart."""
    own = {p.untyped_storage().data_ptr() for p in flow.parameters()}
    held = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    x = torch.randn(batch, *flow.event_shape)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        log_prob = flow.log_prob(x)
    assert log_prob.requires_grad
    return sum(held.values())


def test_each_mode_keeps_less_than_the_one_before():
    shallow = conv_flow(16, 1, ConvLevels(4, hidden=16, mixing="none"), memory="rebuild")
    stored = conv_flow(16, 1, ConvLevels(4, hidden=16, mixing="none"), memory="store")
    recomputed = conv_flow(16, 1, ConvLevels(4, hidden=16, mixing="none"), memory="recompute")
    assert kept_bytes(recomputed, 16) < 0.3 * kept_bytes(stored, 16)
    assert kept_bytes(shallow, 16) < kept_bytes(recomputed, 16)


@pytest.mark.parametrize(
    "make",
    [
        lambda n: block_flow(
            16, 1, BlockLevels(4, n), BlockNet(hidden=16, residual_blocks=1), memory="rebuild"
        ),
        lambda n: block_flow(
            16,
            1,
            BlockLevels(4, 2, repeats=n // 4),
            BlockNet(hidden=16, residual_blocks=1),
            memory="rebuild",
        ),
        lambda n: conv_flow(16, 1, ConvLevels(n, hidden=16, mixing="pairs"), memory="rebuild"),
    ],
    ids=["couplings", "repeats", "conv"],
)
def test_rebuilding_keeps_the_same_at_every_depth(make):
    assert kept_bytes(make(16), 16) <= 1.02 * kept_bytes(make(4), 16)


def test_rebuilding_under_autocast_matches_storing():
    flows = [conv_flow(8, 2, ConvLevels(4, hidden=8), memory=m) for m in ("store", "rebuild")]
    with torch.no_grad():
        for p in flows[0].parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(2)))
    flows[1].load_state_dict(flows[0].state_dict())
    x = torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(3))
    results = []
    for flow in flows:
        with torch.autocast("cpu", torch.bfloat16):
            loss = flow.log_prob(x).mean()
        loss.backward()
        results.append(torch.cat([p.grad.flatten() for p in flow.parameters()]))
    difference = (results[0] - results[1]).norm() / results[0].norm()
    assert difference < 0.03  # bf16 has 8 bits; a wrong mode would be off by its whole norm


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="expected one of"):
        conv_flow(8, 1, ConvLevels(2, hidden=4), memory="forget")
    with pytest.raises(ValueError, match="expected one of"):
        Chain([ElementwiseAffine((2,))], memory="recompte")


@pytest.mark.parametrize("memory", ["store", "recompute", "rebuild"])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("kind", FLOWS)
def test_weights_that_changed_before_the_backward_pass_are_noticed(kind, direction, memory):
    flow = perturbed(FLOWS[kind](memory))
    y, log_det = getattr(flow.bijector, direction)(torch.rand(2, *flow.event_shape).double())
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.1)
    with pytest.raises(RuntimeError, match=r"modified .*inplace"):
        (y.sum() + log_det.sum()).backward()


@pytest.mark.parametrize("memory", ["recompute", "rebuild"])
def test_transforms_and_forward_mode_see_all_modes_as_stored(memory):
    reference, flow = (perturbed(FLOWS["conv"](m)) for m in ("store", memory))
    flow.load_state_dict(reference.state_dict())
    generator = torch.Generator().manual_seed(0)
    x, v = torch.randn(2, 3, *flow.event_shape, dtype=torch.float64, generator=generator)

    def forward_mode(f):
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(f(forward_ad.make_dual(x, v))).tangent

    for derived in (
        lambda f: torch.func.vmap(lambda one: f(one[None])[0])(x),
        lambda f: torch.func.jvp(f, (x,), (v,))[1],
        lambda f: torch.func.grad(lambda y: f(y).sum())(x),
        forward_mode,
    ):
        torch.testing.assert_close(derived(flow), derived(reference))
    slope = torch.autograd.grad(flow(x.requires_grad_()).sum(), x)[0]
    torch.testing.assert_close(forward_mode(flow), (slope * v).sum((1, 2, 3)))
