"""Objectives: values, gradients, what they need, and what they leave alone."""

import math

import pytest
import torch
from support import flow_of

from rgflow import Flow
from rgflow.bijectors import CirculantRoot
from rgflow.bijectors.pixels import bits_per_dim
from rgflow.energies import GaussianField, Ising
from rgflow.objectives import (
    Batch,
    ForwardKL,
    ForwardPath,
    Likelihood,
    Loss,
    Mixture,
    Objective,
    PathGradient,
    ReverseKL,
    forward_path_gradient,
    frozen,
    negative_log_likelihood,
    path_gradient,
    reverse_kl,
)
from rgflow.priors import Gaussian
from rgflow.testing import perturbed
from rgflow.training import EnergyModule
from rgflow.training.config_checks import check_objective

ESTIMATES = (reverse_kl, path_gradient)
EVERY = (ReverseKL(), PathGradient(), ForwardKL(), ForwardPath(), Mixture(), Likelihood())


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
    x = flow.sample(1, generator=generator()).detach()
    forward = {
        "path": forward_path_gradient(flow, energy, x, generator()),
        "likelihood": negative_log_likelihood(flow, x),
    }
    for name, value in forward.items():
        sizes[name] = torch.autograd.grad(value.sum(), exact.log_spectrum)[0].norm()
    assert sizes[path_gradient] < 1e-5 < 1e-2 < sizes[reverse_kl]
    assert sizes["path"] < 1e-5 < 1e-2 < sizes["likelihood"]


@pytest.mark.parametrize("symmetry", ["none", "mixture"])
def test_both_gradients_of_the_forward_divergence_have_the_same_mean(symmetry):
    flow = small_flow(symmetry=symmetry)
    energy = Ising(4)
    spins = [
        torch.tensor([1.0 - 2 * (number >> site & 1) for site in range(16)])
        for number in range(2**16)
    ]
    spins = torch.stack(spins).view(-1, 1, 4, 4).double()
    law = (-energy.spin_energy(spins)).softmax(0)

    def mean_gradient(estimate, seed):
        chosen = torch.multinomial(law, 6000, replacement=True, generator=generator(seed))
        x = energy.field(spins[chosen], generator(seed + 1)).double()
        batches = []
        for part in x.split(100):
            values = estimate(part)
            torch.testing.assert_close(values.detach(), -flow.log_prob(part).detach())
            grads = torch.autograd.grad(values.mean(), list(flow.parameters()))
            batches.append(torch.cat([g.flatten() for g in grads]))
        batches = torch.stack(batches)
        return batches.mean(0), batches.std(0) / len(batches) ** 0.5

    signs = generator(5)
    mean, error = mean_gradient(lambda x: negative_log_likelihood(flow, x), 10)
    other, of_other = mean_gradient(lambda x: forward_path_gradient(flow, energy, x, signs), 20)
    moving = (error > 0) & (of_other > 0)
    difference = ((mean - other) / torch.hypot(error, of_other))[moving]
    assert 0.7 < difference.square().mean().sqrt() < 1.3
    assert mean.norm() > 5 * error.norm()


def test_the_forward_path_gradient_draws_the_sign_of_the_latents(monkeypatch):
    flow = small_flow(average="square")  # of which one image counts
    x = flow.sample(2000, generator=generator()).detach().requires_grad_()
    drawn, inverse = [], flow.bijector.inverse
    monkeypatch.setattr(flow.bijector, "inverse", lambda z: (drawn.append(z), inverse(z))[1])
    values = forward_path_gradient(flow, Ising(4), x, generator(1))
    torch.testing.assert_close(values, -flow.one_image.log_prob(x))
    values.sum().backward()
    assert x.grad is None
    (z, z_plus), alone = (drawn[0], flow.encode(x)), Flow(flow.bijector, flow.prior)
    is_plus = ((z - z_plus).flatten(1).abs().amax(1) < 1e-6).double()
    share = (alone.log_prob(x) - alone.log_prob(-x)).sigmoid()
    pull = (is_plus - share).sum() / (share * (1 - share)).sum().sqrt()
    assert pull.abs() < 3
    assert share.std() > 0.1


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


def states(generator):
    return torch.randn(16, 1, 4, 4, generator=generator, dtype=torch.float64)


def batch(draw=states):
    return Batch(16, generator(3), draw)


def never(generator):
    raise AssertionError("draws states")


def test_objectives_are_means_over_the_batch():
    flow, energy = small_flow(), Ising(4)
    for objective, estimate in ((ReverseKL(), reverse_kl), (PathGradient(), path_gradient)):
        nats, metrics = objective.loss(flow, energy, batch(never))
        values = estimate(flow, energy, 16, generator(3))
        torch.testing.assert_close(nats, values.mean())
        assert metrics["free_energy_bound"] == nats
        torch.testing.assert_close(metrics["spread_of_log_weights"], values.detach().std())
    expected = -flow.log_prob(states(generator(3))).mean()
    for objective in (ForwardKL(), ForwardPath(), Likelihood()):
        torch.testing.assert_close(objective.loss(flow, energy, batch()).nats, expected)
    bits = Likelihood().loss(flow, None, batch()).metrics["bits_per_dim"]
    torch.testing.assert_close(bits, bits_per_dim(-expected, (1, 4, 4)).detach())


def test_a_mixture_is_the_weighted_sum_of_its_parts_in_one_stream_of_random_numbers():
    flow, energy, both = small_flow(), Ising(4), batch()
    parts = [part.loss(flow, energy, both) for part in (PathGradient(), ForwardPath())]
    nats, metrics = Mixture(0.25).loss(flow, energy, batch())
    torch.testing.assert_close(nats, 0.75 * parts[0].nats + 0.25 * parts[1].nats)
    assert metrics == parts[0].metrics | parts[1].metrics
    assert Mixture(0.25).monitored({"free_energy_bound": 4.0, "cross_entropy": 8.0}) == 5.0
    assert Mixture(0.0).loss(flow, energy, batch(never)).metrics == parts[0].metrics
    assert set(Mixture(1.0).loss(flow, energy, batch()).metrics) == {"cross_entropy"}


def test_metrics_have_no_graph():
    for objective in EVERY:
        metrics = objective.loss(small_flow(), Ising(4), batch()).metrics
        assert not any(value.requires_grad for value in metrics.values())


def test_an_objective_has_to_monitor_what_a_validation_gives():
    of_energies = ["free_energy_bound", "cross_entropy"]
    for objective in EVERY[:-1]:
        check_objective(objective, of_energies)
    check_objective(Likelihood(), ["bits_per_dim"])
    for objective, numbers in ((Likelihood(), of_energies), (ForwardKL(), ["bits_per_dim"])):
        with pytest.raises(ValueError, match=r"which is judged by .* expected one that"):
            check_objective(objective, numbers)
    with pytest.raises(ValueError, match="got a str, expected a class derived from"):
        check_objective("forward", of_energies)
    for weight in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"objective.forward_weight: got .* in \[0, 1\]"):
            Mixture(weight)


class Forgetful(Objective):
    """Learns from states without saying so."""

    monitor = "free_energy_bound"

    def loss(self, flow, energy, batch):
        nats = -flow(batch.states()).mean()
        return Loss(nats, {})


class Unmonitored(Objective):
    def loss(self, flow, energy, batch):
        raise AssertionError("not called")


def test_an_objective_says_what_it_needs_and_what_it_is_monitored_by():
    with pytest.raises(ValueError, match="without a monitor, expected the name of"):
        check_objective(Unmonitored(), ["bits_per_dim"])
    flow = flow_of("conv_flow", side=4, channels=1, couplings=1, prior="gaussian")
    module = EnergyModule(flow, Ising(4), objective=Forgetful())
    with pytest.raises(ValueError, match="Forgetful asks for states of the target, expected"):
        module._draw_states(3, torch.Generator())
    with pytest.raises(ValueError, match=r"objective.loss: got a float, expected a rgflow"):
        module.log_loss(1.0)
