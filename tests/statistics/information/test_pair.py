"""Estimators of a mutual information against laws for which it is known."""

import math
import zlib

import infomeasure
import pytest
import torch
from torch.distributions import Normal

from rgflow.analysis import latent_mutual_information
from rgflow.statistics.information.nearest_neighbours import neighbour_terms

FAST = {"gaussian_copula", "nearest_neighbours"}


def gaussian_pair(information, samples, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rho = math.sqrt(-math.expm1(-2 * information))
    a, noise = torch.randn(2, samples, generator=generator, dtype=torch.float64)
    return a, rho * a + math.sqrt(1 - rho**2) * noise


@pytest.mark.parametrize("information", [1e-3, 1e-2, 0.1, 1.0])
@pytest.mark.parametrize("estimator", sorted(FAST))
def test_correlated_gaussians(estimator, information):
    a, b = gaussian_pair(information, 2**14)
    value, error, baseline = latent_mutual_information(a, b, estimator)
    assert abs(value - information) < 3 * error
    assert abs(baseline) < 2e-3
    noise = {"gaussian_copula": 2e-4, "nearest_neighbours": 3e-3}[estimator]
    assert error < 2 * math.hypot(math.sqrt(2 * information / 2**14), noise)


def test_neural_bound_is_below_and_close():
    a, b = gaussian_pair(0.3, 2**13)
    value, error, _ = latent_mutual_information(
        a, b, "neural_bound", steps=250, learning_rate=5e-3
    )
    assert 0.26 < value < 0.3 + 2 * error
    assert error < 0.02


def test_monotone_maps_change_nothing():
    a, b = gaussian_pair(0.2, 4096)
    for estimator in FAST:
        plain = latent_mutual_information(a, b, estimator)
        mapped = latent_mutual_information(a.exp(), b**3 - 1, estimator)
        assert mapped.value == pytest.approx(plain.value, rel=1e-9)


def scale_mixture(samples, seed=0):
    """Two uncorrelated normal numbers with a common scale, 0.5 or 2, and their information."""
    generator = torch.Generator().manual_seed(seed)
    scales = torch.tensor([0.5, 2.0], dtype=torch.float64)
    chosen = torch.randint(2, (samples,), generator=generator)
    normal = torch.randn(2, samples, generator=generator, dtype=torch.float64)
    laws = Normal(torch.zeros(2, dtype=torch.float64), scales)
    x = torch.linspace(-16, 16, 1601, dtype=torch.float64)
    single = laws.log_prob(x[:, None])  # (x, scale)
    joint = (single[:, None] + single[None, :]).logsumexp(-1) - math.log(2)
    marginal = single.logsumexp(-1) - math.log(2)
    density = joint.exp() * (x[1] - x[0]) ** 2
    assert float(density.sum()) == pytest.approx(1, abs=1e-6)
    information = float((density * (joint - marginal[:, None] - marginal[None])).sum())
    return *(scales[chosen] * normal), information


def test_the_copula_is_blind_to_a_common_scale_and_neighbours_are_not():
    a, b, exact = scale_mixture(2**14)
    assert 0.05 < exact < 0.2
    neighbours = latent_mutual_information(a, b, "nearest_neighbours")
    assert abs(neighbours.value - exact) < 3 * neighbours.error
    copula = latent_mutual_information(a, b)
    assert abs(copula.value) < 4 * copula.error + 5e-4
    sizes = latent_mutual_information(a.abs(), b.abs())  # which sees most of it
    assert 0.5 * exact < sizes.value < 1.2 * exact


@pytest.mark.parametrize("estimator", sorted(FAST))
def test_values_scatter_about_zero_where_there_is_no_information(estimator):
    estimates = [
        latent_mutual_information(*gaussian_pair(0.0, 512, seed), estimator) for seed in range(24)
    ]
    values = torch.tensor([e.value for e in estimates])
    assert (values < 0).sum() >= 4  # never clipped
    assert abs(values.mean()) < 3 * values.std() / 24**0.5


@pytest.mark.parametrize(("p", "q"), [(2, 1), (2, 3)])
def test_several_components(p, q):
    generator = torch.Generator().manual_seed(p + q)
    root = torch.randn(p + q, p + q, generator=generator, dtype=torch.float64)
    root = root + 4 * torch.eye(p + q)
    x = torch.randn(2**14, p + q, generator=generator, dtype=torch.float64) @ root.T
    full = root @ root.T
    parts = (full[:p, :p], full[p:, p:], full)
    log_dets = [torch.logdet(part).item() for part in parts]
    exact = 0.5 * (log_dets[0] + log_dets[1] - log_dets[2])
    value, error, _ = latent_mutual_information(x[:, :p], x[:, p:])
    assert abs(value - exact) < 3 * error < 0.06
    few = x[:2048]
    neighbours = latent_mutual_information(few[:, :p], few[:, p:], "nearest_neighbours", k=5)
    bias = 0.15 * exact  # low in many dimensions
    assert abs(neighbours.value - exact) < 3 * neighbours.error + bias


@pytest.mark.parametrize("k", [3, 20])
@pytest.mark.parametrize("components", [1, 2])
def test_nearest_neighbours_against_infomeasure(k, components):
    generator = torch.Generator().manual_seed(zlib.crc32(b"ksg"))
    a, b = torch.randn(2, 800, components, generator=generator, dtype=torch.float64)
    b = b + 0.5 * a
    expected = infomeasure.mutual_information(
        a.numpy(), b.numpy(), approach="ksg", k=k, ksg_id=1, noise_level=0
    )
    assert neighbour_terms(a, b, k).mean().item() == pytest.approx(expected, abs=1e-12)


def test_errors_know_of_chains():
    """AR(1) chains: the scatter over repetitions is that of the chains, not of their states."""
    chains, length, decay = 32, 64, 0.9
    estimates = []
    for seed in range(24):
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(length, 2, chains, generator=generator, dtype=torch.float64)
        states = [noise[0]]
        for step in noise[1:]:
            states.append(decay * states[-1] + math.sqrt(1 - decay**2) * step)
        a, b = torch.stack(states).permute(1, 2, 0).flatten(1)  # chain after chain
        estimates.append(latent_mutual_information(a, 0.6 * a + 0.8 * b, blocks=chains))
    values = torch.tensor([e.value for e in estimates])
    quoted = torch.tensor([e.error for e in estimates]).mean()
    assert 0.7 < values.std() / quoted < 1.4
    assert abs(values.mean() + math.log(0.8)) < 3 * quoted / 24**0.5
    # as if all states were independent, the error would be less than half as large
    independent = latent_mutual_information(a, 0.6 * a + 0.8 * b, blocks=chains * length // 2)
    assert independent.error < 0.6 * quoted


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((torch.zeros(8), torch.zeros(9)), "got 8 samples of a and 9 of b"),
        ((torch.randn(64), torch.randn(64), "exact"), "estimator: got 'exact', expected one of"),
        ((torch.arange(64), torch.randn(64)), "int64"),
        ((torch.randn(8), torch.randn(8)), "blocks: got 4 for 8 samples"),
        ((torch.randn(64, 1, 1), torch.randn(64)), "got samples of shape"),
        ((torch.full((64,), torch.nan), torch.randn(64)), "finite"),
    ],
)
def test_what_cannot_be_estimated_is_refused(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        latent_mutual_information(*arguments)


def test_too_few_samples_for_an_error_are_refused():
    a, b = gaussian_pair(0.1, 256)
    with pytest.raises(ValueError, match="got 256 samples for k=20, expected more than 320"):
        latent_mutual_information(a, b, "nearest_neighbours")


def test_too_many_neighbours_are_refused():
    with pytest.raises(ValueError, match="k: got 64, expected 1 to 63"):
        latent_mutual_information(torch.randn(64), torch.randn(64), "nearest_neighbours", k=64)
