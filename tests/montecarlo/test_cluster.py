import itertools
import math

import pytest
import torch
from gaussian_target import seeded

from rgflow.energies import CRITICAL_COUPLING
from rgflow.montecarlo import swendsen_wang
from rgflow.statistics import mean_with_error


def enumerated(height, width, coupling):
    """Exact means of E, m^2, m^4 with bonds to the right and lower neighbour."""
    states = itertools.product((-1.0, 1.0), repeat=height * width)
    spins = torch.tensor(list(states), dtype=torch.float64).view(-1, height, width)
    bonds = spins * spins.roll(-1, -1) + spins * spins.roll(-1, -2)
    energy = -coupling * bonds.sum((-2, -1))
    m2 = spins.mean((-2, -1)) ** 2
    law = torch.softmax(-energy, 0)
    return [float((law * value).sum()) for value in (energy, m2, m2**2)]


@pytest.mark.parametrize(("height", "width"), [(3, 3), (4, 2), (2, 2), (1, 5)])
@pytest.mark.parametrize("coupling", [0.2, 0.5])
def test_means_are_those_of_the_enumeration(height, width, coupling):
    chains = swendsen_wang(
        height, width, coupling, sweeps=200, chains=200, warmup=20, generator=seeded()
    )
    m2 = chains.samples.double().mean((-2, -1)) ** 2
    energy, second, fourth = enumerated(height, width, coupling)
    measured = [
        (chains.energies, energy),
        (m2, second),
        (m2**2, fourth),
        (chains.cluster_m2, second),
        (chains.cluster_m4, fourth),
    ]
    for series, exact in measured:
        estimate = mean_with_error(series)
        assert abs(estimate.value - exact) < 4 * estimate.error
        assert estimate.error < 0.02 * abs(exact)


@pytest.mark.parametrize(("side", "exact"), [(4, 0.7613589), (8, 0.6469116)])
def test_magnetization_at_criticality(side, exact):
    chains = swendsen_wang(
        side, side, CRITICAL_COUPLING, sweeps=800, chains=150, warmup=40, generator=seeded()
    )
    plain = mean_with_error(chains.samples.double().mean((-2, -1)) ** 2)
    improved = mean_with_error(chains.cluster_m2)
    for estimate in (plain, improved):
        assert abs(estimate.value - exact) < 3 * estimate.error < 0.01 * exact
    assert improved.error < plain.error


def test_limits_of_no_and_of_strong_coupling():
    free = swendsen_wang(4, 4, 0.0, sweeps=50, chains=50, warmup=1, generator=seeded())
    assert abs(free.samples.double().mean()) < 4 / (50 * 50 * 16) ** 0.5
    assert (free.cluster_m2 == 1 / 16).all()
    cold = swendsen_wang(4, 4, 20.0, sweeps=50, chains=50, warmup=30, generator=seeded())
    assert (cold.samples.double().mean((-2, -1)).abs() == 1).all()
    assert (cold.energies == -20.0 * 32).all()


def test_chains_are_independent_of_each_other():
    chains = swendsen_wang(4, 4, 0.3, sweeps=2000, chains=2, warmup=10, generator=seeded())
    a, b = chains.energies.unbind(1)
    correlation = torch.corrcoef(torch.stack([a, b]))[0, 1]
    assert abs(correlation) < 0.1


def test_thinning_keeps_every_kth_and_the_start_is_not_written_into():
    start = torch.ones(3, 4, 4, dtype=torch.int8)
    a, b = (
        swendsen_wang(
            4, 4, 0.3, sweeps=20, chains=3, warmup=0, thin=thin, spins=start, generator=seeded()
        )
        for thin in (1, 5)
    )
    assert torch.equal(a.samples[4::5], b.samples)
    assert torch.equal(a.cluster_m4[4::5], b.cluster_m4)
    assert (start == 1).all()
    assert a.samples.dtype == torch.int8


@pytest.mark.parametrize(
    "changes",
    [
        {"coupling": -0.1},
        {"coupling": math.nan},
        {"sweeps": 0},
        {"thin": 11},
        {"warmup": -1},
        {"spins": torch.zeros(2, 4, 4)},
        {"spins": torch.ones(2, 4, 5)},
    ],
)
def test_wrong_arguments_are_refused(changes):
    settings = {"coupling": 0.3, "sweeps": 10, "chains": 2, "warmup": 1} | changes
    with pytest.raises(ValueError, match="expected"):
        swendsen_wang(4, 4, generator=seeded(), **settings)
