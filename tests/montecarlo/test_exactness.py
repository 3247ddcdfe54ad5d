"""Chains that a trained flow makes fast give the exact magnetization of the Ising model."""

import pytest
import torch
from gaussian_target import seeded

from rgflow.energies import Ising
from rgflow.energies.exact import ising_brute_force
from rgflow.models import ConvLevels, CouplingKind, DenseTop, LatticeNet, Outside, conv_flow
from rgflow.montecarlo import independence_metropolis, latent_hmc
from rgflow.montecarlo.reference import reference_samples
from rgflow.objectives import negative_log_likelihood
from rgflow.observables import measure_independent_spins
from rgflow.statistics import mean_with_error
from rgflow.training.energy_setup import match_spectrum

ENERGY = Ising(4)
EXACT = 0.7613589


@pytest.fixture(scope="module")
def flow():
    torch.manual_seed(0)
    flow = conv_flow(
        4,
        1,
        ConvLevels(2, hidden=16, predict=False),
        LatticeNet(kernels=(3, 1)),
        CouplingKind(scale_bound=0.5),
        DenseTop(top_couplings=2, top_hidden=16),
        Outside("gaussian", fourier="fixed", symmetry="mixture"),
    )
    match_spectrum(flow, ENERGY)
    states = reference_samples(ENERGY, states=100, seed=5).samples.flatten(0, 1)
    optimizer, generator = torch.optim.Adam(flow.parameters(), 0.01, (0.9, 0.99)), seeded()
    for _ in range(150):
        optimizer.zero_grad()
        chosen = torch.randint(len(states), (128,), generator=generator)
        (negative_log_likelihood(flow, states[chosen]).mean() / 16).backward()
        optimizer.step()
    return flow.eval()


def squared_magnetization(samples):
    return mean_with_error(measure_independent_spins(samples.double().tanh()).m2)


def test_the_exact_value():
    assert ising_brute_force(4, 4, ENERGY.coupling).m2 == pytest.approx(EXACT, abs=5e-8)


def test_independence_metropolis(flow):
    chains = independence_metropolis(
        flow, ENERGY, steps=1500, chains=64, warmup=50, generator=seeded(1)
    )
    m2 = squared_magnetization(chains.samples)
    assert abs(m2.value - EXACT) < 3 * m2.error < 0.03 * EXACT
    assert 0.3 < chains.acceptance < 0.9  # the flow is near the target, and not there


def test_latent_hmc(flow):
    chains = latent_hmc(
        flow, ENERGY, chains=512, steps=40, warmup=60, leapfrog_steps=6, generator=seeded(2)
    )
    m2 = squared_magnetization(chains.samples)
    assert abs(m2.value - EXACT) < 3 * m2.error < 0.02 * EXACT
