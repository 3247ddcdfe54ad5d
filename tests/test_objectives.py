"""Objectives of training on an energy: values, gradients, and what they leave alone."""

import torch
from support import flow_of

from rgflow import Flow
from rgflow.bijectors import CirculantRoot
from rgflow.energies import GaussianField, Ising
from rgflow.objectives import frozen, path_gradient, reverse_kl
from rgflow.priors import Gaussian
from rgflow.testing import perturbed

ESTIMATES = (reverse_kl, path_gradient)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def small_flow(**settings):
    torch.manual_seed(0)
    defaults = {"couplings": 2, "hidden": 4, "prior": "gaussian", "symmetry": "mixture"}
    return perturbed(flow_of("conv_flow", side=4, channels=1, **defaults | settings), 0.1)


def gradient(flow, estimate, n, seed):
    parameters = list(flow.parameters())
    values = estimate(flow, Ising(4), n, generator(seed))
    grads = torch.autograd.grad(values.mean(), parameters)
    return torch.cat([g.flatten() for g in grads])


def test_both_estimates_have_the_same_values():
    flow = small_flow()
    values = [estimate(flow, Ising(4), 16, generator()) for estimate in ESTIMATES]
    torch.testing.assert_close(*(v.detach() for v in values))
    x, log_prob = flow.sample_and_log_prob(16, generator=generator())
    torch.testing.assert_close(values[0], log_prob + Ising(4).energy(x))


def test_both_gradients_have_the_same_mean():
    flow = small_flow()
    means, errors = [], []
    for estimate, start in zip(ESTIMATES, (0, 100), strict=True):
        seeds = range(start, start + 60)
        batches = torch.stack([gradient(flow, estimate, 50, seed) for seed in seeds])
        means.append(batches.mean(0))
        errors.append(batches.std(0) / 60**0.5)
    moving = errors[0] > 0  # a few biases do nothing
    difference = ((means[0] - means[1]) / torch.hypot(*errors))[moving]
    assert moving.float().mean() > 0.9
    assert 0.7 < difference.square().mean().sqrt() < 1.3  # standard errors
    assert means[0].norm() > 5 * errors[0].norm()


def test_the_path_gradient_vanishes_sample_by_sample_where_the_flow_is_exact():
    energy = GaussianField(4, 0.5)
    exact = CirculantRoot(energy.spectrum, learnable=True)
    flow = Flow(exact, Gaussian((1, 4, 4))).double()
    sizes = {}
    for estimate in ESTIMATES:
        value = estimate(flow, energy, 1, generator())
        (grad,) = torch.autograd.grad(value.sum(), exact.log_spectrum)
        sizes[estimate] = grad.norm()
    assert sizes[path_gradient] < 1e-5 < 1e-2 < sizes[reverse_kl]


def test_parameters_ask_for_gradients_as_before():
    flow = small_flow()
    first = next(flow.parameters())
    first.requires_grad_(False)
    before = [p.requires_grad for p in flow.parameters()]
    path_gradient(flow, Ising(4), 2, generator()).mean().backward()
    assert [p.requires_grad for p in flow.parameters()] == before
    assert first.grad is None
    try:
        with frozen(flow):
            assert not any(p.requires_grad for p in flow.parameters())
            raise RuntimeError
    except RuntimeError:
        pass
    assert [p.requires_grad for p in flow.parameters()] == before
