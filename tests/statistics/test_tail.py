import math

import pytest
import torch
from gaussian_target import seeded

from rgflow.statistics import (
    effective_sample_size,
    log_z_estimates,
    metropolis_acceptance,
    pareto_k,
    reweighted,
)
from rgflow.statistics.tail import generalized_pareto_shape


def uniform(n, seed=0):
    return torch.rand(n, generator=seeded(seed), dtype=torch.float64)


@pytest.mark.parametrize("k", [-0.2, 0.2, 0.5, 0.8, 1.5])
@pytest.mark.parametrize("size", [100, 950])
def test_the_shape_of_exact_generalised_pareto_samples_is_found(k, size):
    """``x = (u^-k - 1) / k`` has the law exactly; the mean over many samples shows the bias."""
    found = []
    for seed in range(100):
        excess = ((uniform(size, seed) ** -k - 1) / k).sort().values
        found.append(generalized_pareto_shape(excess))
        assert generalized_pareto_shape(excess * 1e6) == pytest.approx(found[-1])
    prior = (size * k + 5) / (size + 10)  # ten samples of the shape 1/2
    assert sum(found) / 100 == pytest.approx(prior, abs=0.4 * (1 + abs(k)) / math.sqrt(size))
    spread = float(torch.tensor(found).std())
    assert spread == pytest.approx((1 + k) / math.sqrt(size), rel=0.4)


@pytest.mark.parametrize(("k", "low", "high"), [(0.3, 0.2, 0.4), (0.9, 0.78, 1.02)])
def test_the_tail_of_pareto_weights(k, low, high):
    log_weights = -k * uniform(100_000).log()
    assert low < pareto_k(log_weights) < high
    assert pareto_k(log_weights - 1e5) == pytest.approx(pareto_k(log_weights), abs=1e-6)


def test_weights_at_the_edge():
    assert pareto_k(torch.zeros(1000)) == -math.inf  # equal
    assert pareto_k(torch.zeros(1000) + 1e-4 * uniform(1000)) == -math.inf  # up to rounding
    assert math.isnan(pareto_k(torch.zeros(20)))
    assert pareto_k(uniform(10_000)) < 0  # bounded
    one = torch.zeros(10_000)
    one[3] = 20.0
    assert math.isfinite(pareto_k(one))  # a single one has no law
    one[3] = 1e4  # ratios overflow
    assert pareto_k(one) > 0.7
    some = torch.full((10_000,), -math.inf)
    some[:100] = -0.9 * uniform(100).log()
    assert 0.4 < pareto_k(some) < 1.4


def test_errors_of_heavy_tails_are_withheld():
    log_weights = -0.8 * uniform(20_000).log()
    quality = effective_sample_size(log_weights)
    assert quality.pareto_k > 0.7
    assert quality.error == math.inf
    importance = log_z_estimates(log_weights).importance
    assert importance.error == math.inf
    assert importance.sigmas(0.0) is None


def test_squares_without_a_mean_have_no_error():
    """For weights ``u^(-1/1.8)`` the effective sample size tends to 0, and ln Z is known."""
    log_weights = -uniform(100_000, 1).log() / 1.8
    quality = effective_sample_size(log_weights)
    assert 0.5 < quality.pareto_k < 0.7
    assert quality.error == math.inf
    importance = log_z_estimates(log_weights).importance
    assert abs(importance.value - math.log(1.8 / 0.8)) < 4 * importance.error < 0.1


@pytest.mark.parametrize(("variance", "least"), [(0.5, 0.6), (1.0, 0.6), (2.0, 0.6)])
def test_errors_of_log_normal_weights_cover(variance, least):
    """Alone, the bootstrap covers 65%, 62% and 49%."""
    hits, generator = [], seeded(3)
    for _ in range(150):
        noise = torch.randn(10_000, generator=generator, dtype=torch.float64)
        quality = effective_sample_size(math.sqrt(variance) * noise)
        if math.isfinite(quality.error):
            hits.append(abs(quality.ess - math.exp(-variance)) < quality.error)
    assert len(hits) > 100
    assert least < sum(hits) / len(hits) < 0.82


def test_complex_weights_are_refused():
    log_weights = torch.zeros(100, dtype=torch.complex64)
    for call in (
        pareto_k,
        log_z_estimates,
        metropolis_acceptance,
        lambda w: reweighted(w, torch.zeros(100)),
        lambda w: reweighted(torch.zeros(100), w),
    ):
        with pytest.raises(ValueError, match="complex64, expected real"):
            call(log_weights)
