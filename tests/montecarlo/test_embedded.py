import itertools
import math

import pytest
import torch
from gaussian_target import seeded

from rgflow.energies import ComplexPhi4, Phi4
from rgflow.montecarlo import embedded_clusters
from rgflow.montecarlo.reference import reference_samples
from rgflow.statistics import mean_with_error


def updated(x, hopping, times, generator):
    for _ in range(times):
        x = embedded_clusters(x, generator, hopping)
    return x


def test_signs_at_fixed_magnitudes_follow_the_law():
    model = Phi4(2, -4.0, 6.0)
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=4))).view(-1, 1, 2, 2)
    chains = 20_000
    weak, strong = (
        torch.tensor(values).view(1, 1, 2, 2)
        for values in ([0.3, 0.5, 0.2, 0.6], [0.3, 0.9, 0.5, 1.2])
    )
    both = torch.cat((weak, strong)).repeat(chains, 1, 1, 1)  # in turn
    x = updated(both, 2.0, 12, seeded())
    assert torch.equal(x.abs(), both)
    index = ((x.view(-1, 4) > 0) * 2.0 ** torch.arange(3, -1, -1)).sum(1).long()
    for i, magnitudes in enumerate((weak, strong)):
        law = torch.softmax(-model.energy(signs * magnitudes).double(), 0)
        counts = torch.bincount(index[i::2], minlength=16).double()
        chi_squared = ((counts - chains * law) ** 2 / (chains * law)).sum()
        assert chi_squared < 15 + 4 * math.sqrt(2 * 15)


def test_one_update_of_vectors_keeps_the_law_and_their_lengths():
    model = ComplexPhi4(3, t=0.7, mu=1.8, lam=0.0)
    noise = torch.randn(50_000, 2, 3, 3, generator=seeded(), dtype=torch.float64)
    modes = torch.fft.fft2(noise) * model.spectrum.sqrt()
    x = torch.fft.ifft2(modes).real  # of the law itself
    y = embedded_clusters(x, seeded(1), model.t)
    assert torch.allclose(y.square().sum(1), x.square().sum(1))
    assert (y != x).any(1).double().mean() > 0.2
    statistics = (
        model.energy,
        lambda v: v[:, 0].mean((1, 2)),
        lambda v: v.prod(1).sum((1, 2)),
    )
    for statistic in statistics:
        for power in (1, 2):
            change = statistic(y) ** power - statistic(x) ** power
            assert 0 < abs(change.mean()) < 4 * change.std() / len(x) ** 0.5


@pytest.mark.parametrize("method", ["cluster", "hmc"])
def test_phi4_of_four_sites_against_quadrature(method):
    model = Phi4(2, -4.0, 3.0)
    nodes = torch.linspace(-2.4, 2.4, 49, dtype=torch.float64)
    grid = torch.cartesian_prod(*[nodes] * 4).view(-1, 1, 2, 2)
    law = torch.softmax(-model.energy(grid), 0)
    exact = float((law * grid.mean((1, 2, 3)) ** 2).sum())
    run = reference_samples(model, chains=64, states=128, seed=2, method=method)
    m2 = mean_with_error(run.samples.double().mean((2, 3, 4)) ** 2)
    assert run.method == method
    assert abs(m2.value - exact) < 4 * m2.error < 0.1 * exact


def test_chains_change_sign_where_trajectories_cannot():
    model = Phi4(8, -4.0, 3.0)  # deep in the ordered phase
    clusters, trajectories = (
        reference_samples(model, chains=16, states=64, method=method).samples.mean((2, 3, 4))
        for method in ("cluster", "hmc")
    )
    assert (trajectories.sign() == trajectories[0].sign()).all()
    assert 0.3 < (clusters > 0).double().mean() < 0.7
    flips = (clusters[1:].sign() != clusters[:-1].sign()).double().mean()
    assert 0.3 < flips < 0.7


def test_a_negative_hopping_is_refused():
    for hopping in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="hopping"):
            embedded_clusters(torch.ones(1, 1, 2, 2), seeded(), hopping)
