"""Compiled flows use no buffers in place, with which gradients on a CPU may come out wrong."""

import pytest
import torch
from support import flow_of

from rgflow import Flow
from rgflow.bijectors import ElementwiseAffine
from rgflow.priors import Gaussian

FLOWS = {
    "conv": {"maker": "conv_flow", "kernels": (3, 1, 3)},
    "splines": {"maker": "conv_flow", "kernels": (3, 1), "coupling": "spline"},
    "blocks": {"maker": "block_flow", "block": 2, "hidden": 4, "residual_blocks": 1},
    "realnvp": {"maker": "realnvp_flow", "scales": 1},
}


@pytest.fixture
def settings(monkeypatch):
    """The settings with which each graph would be compiled; they are run as they are instead."""
    seen = []

    def compile_nothing(self, graph, inputs, **kwargs):
        seen.append(self.config)
        return graph.forward

    monkeypatch.setattr(torch._TorchCompileInductorWrapper, "__call__", compile_nothing)
    torch._dynamo.reset()
    yield seen
    torch._dynamo.reset()


@pytest.mark.parametrize("kind", FLOWS)
def test_both_directions_of_every_kind_of_flow(kind, settings):
    flow = flow_of(**{"side": 4, "channels": 1, "couplings": 1, "hidden": 2} | FLOWS[kind])
    x = torch.zeros(2, *flow.event_shape)
    torch.compile(flow)(x)
    torch.compile(lambda z: flow.bijector.inverse(z)[0])(x)
    assert settings == [{"inplace_buffers": False}] * 2


def test_the_ways_to_compile_and_what_the_caller_chooses(settings):
    flow = Flow(ElementwiseAffine((1, 2, 2)), Gaussian((1, 2, 2)))
    x = torch.zeros(2, 1, 2, 2)
    torch.compile(flow, options={"inplace_buffers": True})(x)
    torch.compile(flow, mode="max-autotune-no-cudagraphs")(x)
    flow.compile()
    flow(x)
    assert [one["inplace_buffers"] for one in settings] == [True, False, False]
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(flow.log_prob, backend="eager")(x), flow.log_prob(x))


def test_the_compiler_reads_this_setting_where_it_shares_buffers():
    from torch._inductor import config

    assert isinstance(config.inplace_buffers, bool)
    compiler = torch._TorchCompileInductorWrapper(None, {"inplace_buffers": False}, None)
    assert compiler.config == {"inplace_buffers": False}
