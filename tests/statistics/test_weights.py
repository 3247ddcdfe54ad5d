import math

import pytest
import torch
from gaussian_target import GaussianTarget, seeded

from rgflow.montecarlo import independence_metropolis
from rgflow.statistics import (
    derived_reweighted,
    effective_sample_size,
    log_z_estimates,
    metropolis_acceptance,
    reweighted,
)


def normal(n, seed=0):
    return torch.randn(n, generator=seeded(seed), dtype=torch.float64)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0])
def test_ess_of_log_normal_weights(sigma):
    result = effective_sample_size(1234 + sigma * normal(100_000))
    assert abs(result.ess - math.exp(-(sigma**2))) < 4 * result.error
    assert 0 < result.error < 0.02
    assert 1e-5 <= result.largest_share < 1e-3
    assert result.samples == 100_000


def test_the_bootstrap_error_of_the_ess_is_its_spread():
    parts = 0.7 * normal(100 * 2000).view(100, 2000)
    results = [effective_sample_size(part, minimum=1000) for part in parts]
    spread = float(torch.tensor([r.ess for r in results]).std())
    quoted = sum(r.error for r in results) / 100
    assert quoted == pytest.approx(spread, rel=0.25)  # the spread's own error is 7%


def test_few_weights_are_refused_unless_asked_for():
    with pytest.raises(ValueError, match="got 9999 weights, expected at least 10000"):
        effective_sample_size(torch.zeros(9999))
    assert effective_sample_size(torch.zeros(10), minimum=10).ess == 1


def test_one_weight_that_takes_all():
    log_weights = torch.zeros(10_000)
    log_weights[7] = 1000
    result = effective_sample_size(log_weights)
    assert result.ess == pytest.approx(1e-4)
    assert result.largest_share == 1


def gaussian_pair(n, width, seed=0):
    """Log weights of q = N(0, width^2) for ``E = x^2 / 2``, with ``ln Z = ln(2 pi) / 2``."""
    x = width * normal(n, seed)
    log_q = -0.5 * (x / width) ** 2 - math.log(width) - 0.5 * math.log(2 * math.pi)
    return x, -0.5 * x**2 - log_q


def test_log_z_of_a_gaussian_pair():
    width, exact = 1.3, 0.5 * math.log(2 * math.pi)
    _, log_weights = gaussian_pair(50_000, width)
    x = normal(50_000, 1)
    target = -0.5 * x**2 + 0.5 * (x / width) ** 2 + math.log(width) + exact
    lower, importance, upper = log_z_estimates(log_weights, target.view(500, 100))
    reverse_kl = 0.5 * (width**2 - 1) - math.log(width)
    forward_kl = 0.5 * (width**-2 - 1) + math.log(width)
    for estimate, value in ((lower, -reverse_kl), (importance, 0), (upper, forward_kl)):
        assert abs(estimate.value - exact - value) < 4 * estimate.error
        assert 0 < estimate.error < 0.01
    assert lower.value < importance.value < upper.value
    assert log_z_estimates(log_weights).upper is None


def test_log_z_errors_cover():
    exact, hits = 0.5 * math.log(2 * math.pi), 0
    for seed in range(200):
        estimate = log_z_estimates(gaussian_pair(1000, 1.5, seed)[1]).importance
        hits += abs(estimate.value - exact) < estimate.error
    assert 120 <= hits <= 152


def test_log_z_says_when_it_knows_little():
    _, log_weights = gaussian_pair(1000, 1.0)
    heavy = log_weights + 6 * normal(1000, 5)  # effective sample size below one
    assert log_z_estimates(heavy).importance.error > 0.3
    shifted = log_z_estimates(log_weights - 1e5)  # exp(-1e5) is zero in any type
    assert shifted.importance.value == pytest.approx(
        log_weights.logsumexp(0) - math.log(1000) - 1e5
    )


def test_reweighted_means_are_those_of_the_target_and_cover():
    hits = variance_hits = 0
    for seed in range(200):
        x, log_weights = gaussian_pair(1000, 1.4, seed)
        mean = reweighted(x**2, log_weights)
        hits += abs(mean.value - 1) < mean.error
        ratio = derived_reweighted(
            lambda m2, m4: m4 / m2**2, x**2, x**4, log_weights=log_weights
        )  # fmt: skip
        variance_hits += abs(ratio.value - 3) < ratio.error
    assert 120 <= hits <= 152
    assert 116 <= variance_hits <= 156  # fourth moments from 1000 samples: slightly skewed


def test_equal_weights_give_plain_means():
    x = normal(5000)
    value, error, tau = reweighted(x, torch.full((5000,), -7.0))
    assert value == pytest.approx(float(x.mean()))
    assert error == pytest.approx(float(x.std()) / 5000**0.5, rel=1e-3)
    bootstrap = derived_reweighted(lambda m: m, x, log_weights=torch.zeros(5000))
    assert bootstrap.value == pytest.approx(value)
    assert bootstrap.error == pytest.approx(error, rel=0.15)  # 400 resamplings: 3.5%
    assert tau == 0.5


@pytest.mark.parametrize(
    "bad",
    [
        torch.tensor([0.0, math.nan]),
        torch.tensor([0.0, math.inf]),
        torch.tensor([-math.inf, -math.inf]),
        torch.zeros(3, 2),
        torch.zeros(1),
    ],
)
def test_wrong_log_weights_are_refused(bad):
    for estimate in (lambda w: effective_sample_size(w, minimum=1), log_z_estimates):
        with pytest.raises(ValueError, match="weights"):
            estimate(bad)


def test_weights_of_zero():
    log_weights = torch.zeros(20_000)
    log_weights[::2] = -math.inf
    assert effective_sample_size(log_weights).ess == pytest.approx(0.5)
    with pytest.raises(ValueError, match="weight zero"):
        log_z_estimates(log_weights)


def test_values_must_fit_the_weights():
    with pytest.raises(ValueError, match="shapes"):
        reweighted(torch.zeros(3), torch.zeros(4))
    with pytest.raises(ValueError, match="not all finite"):
        reweighted(torch.tensor([0.0, math.inf]), torch.zeros(2))


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 2.0])
def test_acceptance_of_log_normal_weights(sigma):
    parts = [metropolis_acceptance(99 + sigma * part) for part in normal(100_000).split(5000)]
    parts = torch.tensor(parts)
    error = float(parts.std()) / math.sqrt(len(parts))
    assert abs(float(parts.mean()) - math.erfc(sigma / 2)) < 4 * error < 0.02


def test_acceptance_is_that_of_all_pairs():
    log_weights = 3 * normal(50)
    w = log_weights.exp()
    pairs = torch.minimum(w[:, None], w[None, :]).fill_diagonal_(0).sum()
    assert metropolis_acceptance(log_weights) == pytest.approx(float(pairs / (49 * w.sum())))
    assert metropolis_acceptance(torch.tensor([0.0, 0.0, -math.inf, -math.inf])) == 1 / 3


def test_acceptance_is_that_of_a_chain():
    target = GaussianTarget(4, m2=3.0)

    class White:
        event_shape = target.event_shape

        def sample_and_log_prob(self, n, generator):
            x = 0.5 * torch.randn((n, *self.event_shape), generator=generator, dtype=torch.float64)
            return x, -0.5 * (x / 0.5).square().flatten(1).sum(1)

    settings = {"steps": 500, "warmup": 100, "chains": 20}
    runs = [
        independence_metropolis(White(), target, generator=seeded(seed), **settings)
        for seed in range(16)
    ]
    chains = torch.tensor([run.acceptance for run in runs])
    weights = torch.tensor([metropolis_acceptance(run.log_weights) for run in runs])
    error = float((chains - weights).std()) / 4
    assert abs(float((chains - weights).mean())) < 4 * error < 0.01
    assert 0.1 < float(chains.mean()) < 0.9
