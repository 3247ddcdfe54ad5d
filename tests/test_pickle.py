"""A flow goes through pickle, copies, files and processes as any module does."""

import copy
import io
import multiprocessing
import pickle

import pytest
import torch
from all_energies import ENERGIES
from support import flow_of

from rgflow import Flow
from rgflow.testing import perturbed

SETTINGS = {
    "conv": {"maker": "conv_flow", "kernels": (3, 1, 3)},
    "patches": {"maker": "conv_flow", "kernels": (3, 1), "share_levels": True},
    "splines": {"maker": "conv_flow", "kernels": (3, 1), "coupling": "spline"},
    "pixels": {"maker": "conv_flow", "pixels": True, "prior": "laplace"},
    "mixture": {"maker": "conv_flow", "symmetry": "mixture", "fourier": "fixed"},
    "equivariant": {"maker": "conv_flow", "symmetry": "equivariant", "prior": "gaussian"},
    "mlp_blocks": {"maker": "block_flow", "conditioner": "mlp", "hidden": (8,), "block": 4},
    "residual_blocks": {"maker": "block_flow", "hidden": 8, "residual_blocks": 1, "block": 4},
    "realnvp": {"maker": "realnvp_flow", "scales": 2},
}


def used_flow(kind):
    """A small flow of the kind that has been through a step of training and a sampling."""
    flow = perturbed(
        flow_of(**{"side": 8, "channels": 1, "couplings": 2, "hidden": 4} | SETTINGS[kind])
    ).float()
    flow(torch.full((2, *flow.event_shape), 0.3)).sum().backward()
    flow.sample(2)
    return flow


def saved_and_loaded(flow):
    torch.save(flow, file := io.BytesIO())
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("kind", SETTINGS)
def test_copies_give_the_same_numbers(kind):
    flow = used_flow(kind)
    x = torch.rand(3, *flow.event_shape, generator=torch.Generator().manual_seed(0))
    for way in (lambda f: pickle.loads(pickle.dumps(f)), copy.deepcopy, saved_and_loaded):
        other = way(flow)
        assert torch.equal(other.log_prob(x), flow.log_prob(x))
        assert len(list(other.parameters())) == len(list(flow.parameters()))  # shared ones too
        assert not {*map(id, other.parameters())} & {*map(id, flow.parameters())}
    flow.compile()  # what the compiler has made stays behind
    assert torch.equal(pickle.loads(pickle.dumps(flow)).log_prob(x), flow.log_prob(x))


@pytest.mark.parametrize("name", ENERGIES)
def test_energies_as_well(name):
    energy = ENERGIES[name]()
    x = torch.randn(2, *energy.event_shape, generator=torch.Generator().manual_seed(0))
    for other in (pickle.loads(pickle.dumps(energy)), copy.deepcopy(energy)):
        assert torch.equal(other.energy(x), energy.energy(x))
        assert torch.equal(other.force(x), energy.force(x))


def test_a_fresh_process_takes_all_of_them():
    flows = [used_flow(kind).requires_grad_(False) for kind in SETTINGS]
    x = torch.rand(2, *flows[0].event_shape, generator=torch.Generator().manual_seed(0))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.starmap(Flow.log_prob, [(flow, x) for flow in flows])
    for flow, there in zip(flows, found, strict=True):
        torch.testing.assert_close(there, flow.log_prob(x))
