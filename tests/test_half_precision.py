"""Flows whose numbers are in bfloat16, for which some solvers and transforms do not exist."""

import pytest
import torch
from support import flow_of

from rgflow.priors import Gaussian, Laplace
from rgflow.testing import perturbed


@pytest.mark.parametrize(
    "settings",
    [
        {"maker": "conv_flow", "mixing": "pairs"},
        {"maker": "conv_flow", "coupling": "spline", "kernels": (3, 1)},
        {"maker": "conv_flow", "fourier": "learnable", "symmetry": "mixture"},
        {"maker": "block_flow", "hidden": 8, "residual_blocks": 1},
        {"maker": "realnvp_flow", "scales": 2},
    ],
    ids=["mixing", "splines", "fourier", "blocks", "realnvp"],
)
def test_half_precision_goes_both_ways(settings):
    flow = flow_of(**{"side": 8, "channels": 1, "couplings": 2, "hidden": 4} | settings)
    flow = perturbed(flow, 0.05).bfloat16()
    x, log_prob = flow.sample_and_log_prob(4, generator=torch.Generator().manual_seed(0))
    assert x.dtype == log_prob.dtype == torch.bfloat16
    again = flow.log_prob(x)
    assert ((again - log_prob).abs() < 0.05 * log_prob.abs().clamp_min(20)).all()
    (log_prob.sum() + again.sum()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in flow.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("make", [Laplace, Gaussian])
def test_latents_of_half_precision_have_the_law_of_the_prior(make, dtype):
    z = make((4,)).to(dtype).sample(50_000, generator=torch.Generator().manual_seed(0)).double()
    count = z.numel()
    kurtosis = 6 if make is Laplace else 3  # the variance of the squares follows from it
    assert abs(z.square().mean() - 1) < 4 * ((kurtosis - 1) / count) ** 0.5 + 2**-8
    assert z.abs().max() < 14  # exp(-sqrt 2 * 14) * count = 5e-4
