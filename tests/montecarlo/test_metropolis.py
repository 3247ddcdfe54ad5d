import math

import pytest
import torch
from gaussian_target import GaussianTarget, seeded

from rgflow.bijectors import ElementwiseAffine
from rgflow.flow import Flow
from rgflow.montecarlo import independence_metropolis
from rgflow.montecarlo.weighted import weighted_samples
from rgflow.priors import Gaussian
from rgflow.statistics import mean_with_error, reweighted


def wide_flow(width):
    """White noise of that standard deviation: an imperfect proposal."""
    return Flow(ElementwiseAffine((1, 4, 4), scale=1 / width), Gaussian((1, 4, 4))).double()


def test_an_imperfect_proposal_gives_the_right_variance():
    target = GaussianTarget(4, m2=4.0)
    chains = independence_metropolis(
        wide_flow(0.4), target, steps=500, chains=100, warmup=50, generator=seeded()
    )
    assert chains.samples.shape == (500, 100, 1, 4, 4)
    assert chains.log_weights.shape == (55_000,)
    squares = chains.samples.square().mean((-3, -2, -1))
    exact = float(target.covariance()[0, 0])
    estimate = mean_with_error(squares)
    assert abs(estimate.value - exact) < 4 * estimate.error < 0.1 * exact
    assert abs(0.4**2 - exact) > 10 * estimate.error  # the proposal's own is another
    assert 0.1 < chains.acceptance < 0.9
    energy = mean_with_error(chains.energies)
    assert abs(energy.value - 8) < 4 * energy.error
    assert torch.equal(chains.energies[9], target.energy(chains.samples[9]))


def test_log_weights_serve_importance_sampling():
    target, flow = GaussianTarget(4, m2=4.0), wide_flow(0.4)
    chains = independence_metropolis(
        flow, target, steps=200, chains=100, batch_size=700, generator=seeded()
    )
    estimate = chains.log_weights.logsumexp(0) - math.log(20_000)
    assert abs(float(estimate) - target.log_z()) < 0.1
    # the first state of each chain is a plain sample of the flow, with the first weights
    first = reweighted(chains.energies[0], chains.log_weights[:100])
    expected = -chains.energies[0] - flow.log_prob(chains.samples[0]).detach()
    assert torch.allclose(expected, chains.log_weights[:100])
    assert abs(first.value - 8) < 4 * first.error + 1


def test_a_perfect_proposal_is_always_accepted():
    class White:
        event_shape = (1, 4, 4)

        def energy(self, x):
            return 0.5 * x.square().flatten(1).sum(1)

    chains = independence_metropolis(wide_flow(1.0), White(), steps=50, chains=3,
                                     generator=seeded())  # fmt: skip
    assert chains.acceptance == 1
    assert len(torch.unique(chains.energies)) == 150


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_proposal_that_overflows_never_sticks(value):
    class Broken(GaussianTarget):
        def energy(self, x):
            return torch.where(x[:, 0, 0, 0] > 0.3, value, super().energy(x))

    chains = independence_metropolis(
        wide_flow(0.4), Broken(4, m2=4.0), steps=100, chains=50, warmup=50, generator=seeded()
    )
    assert chains.energies.isfinite().all()
    assert (chains.samples[..., 0, 0, 0] <= 0.3).all()


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="expected at least"):
        independence_metropolis(wide_flow(1), GaussianTarget(4), steps=0, generator=seeded())
    with pytest.raises(ValueError, match="got fields of shape"):
        independence_metropolis(wide_flow(1), GaussianTarget(8), steps=1, generator=seeded())


@pytest.mark.parametrize("batch_size", [7, 100])
def test_weighted_samples_are_the_flow_s_with_their_weights(batch_size):
    flow, target = wide_flow(0.4), GaussianTarget(4, m2=4.0)
    drawn = weighted_samples(flow, target, 20, batch_size=batch_size, generator=seeded())
    assert drawn.samples.shape == (20, 1, 4, 4)
    assert torch.equal(drawn.energies, target.energy(drawn.samples))
    expected = -drawn.energies - flow.log_prob(drawn.samples).detach()
    torch.testing.assert_close(drawn.log_weights, expected)
    with pytest.raises(ValueError, match="samples=0"):
        weighted_samples(flow, target, 0, batch_size=batch_size, generator=seeded())
