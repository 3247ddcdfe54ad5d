import pytest
import torch
from gaussian_target import GaussianTarget, assert_second_moments, seeded
from support import perturbed

from rgflow.bijectors import ElementwiseSpline
from rgflow.flow import Flow
from rgflow.models import ConvLevels, DenseTop, Outside, conv_flow
from rgflow.montecarlo import LatentTarget, latent_hmc
from rgflow.priors import Gaussian
from rgflow.statistics import mean_with_error


def conv():
    small = conv_flow(
        side=4,
        channels=1,
        levels=ConvLevels((2,), hidden=6),
        top=DenseTop(smallest_side=2),
        outside=Outside(prior="gaussian"),
    )
    return perturbed(small, scale=0.12)


def splines():
    """Bends every site hard: without the log_det its variances would be far off."""
    return perturbed(Flow(ElementwiseSpline((1, 4, 4), bins=6), Gaussian((1, 4, 4))), scale=0.7)


@pytest.fixture(scope="module", params=[conv, splines])
def flow(request):
    torch.manual_seed(0)
    return request.param()


def test_moments_are_those_of_the_energy_not_of_the_flow(flow):
    target = GaussianTarget(4, m2=1.0, anisotropy=4.0)
    chains = latent_hmc(
        flow, target, chains=64, steps=150, warmup=80, leapfrog_steps=4, generator=seeded()
    )
    assert_second_moments(chains.samples, target.covariance())
    assert torch.allclose(chains.energies[3], target.energy(chains.samples[3]))
    # the flow itself is far from the target, else the test would say nothing
    x = flow.sample(20000, generator=seeded()).detach()
    assert abs(float(x[:, 0, 0, 0].var()) / float(target.covariance()[0, 0]) - 1) > 0.3


def test_the_force_is_minus_the_gradient_of_the_pulled_back_energy(flow):
    target = GaussianTarget(4)
    latent = LatentTarget(target, flow.bijector)
    z = torch.randn(2, 1, 4, 4, generator=seeded(), dtype=torch.float64)
    x, _ = flow.bijector.inverse(z)
    jacobian = torch.func.jacrev(lambda v: flow.bijector.inverse(v.view(1, 1, 4, 4))[0].flatten())
    log_det = torch.stack([jacobian(one.flatten()).slogdet().logabsdet for one in z])
    assert torch.allclose(latent.energy(z), target.energy(x) - log_det)
    push = 1e-5 * torch.randn(z.shape, generator=seeded(1), dtype=torch.float64)
    with torch.no_grad():
        change = latent.energy(z + push) - latent.energy(z - push)
        work = 2 * (latent.force(z) * push).flatten(1).sum(1)
    assert torch.allclose(change, -work, rtol=1e-5)


class Mixture:
    """The law of a flow with z2, as a target."""

    def __init__(self, flow):
        self.flow, self.event_shape = flow, flow.event_shape

    def energy(self, x):
        return -self.flow.log_prob(x)


def test_with_both_signs_the_latents_of_a_perfect_flow_are_those_of_its_prior():
    flow = Flow(conv().bijector, Gaussian((1, 4, 4)), z2=True).double()
    latent = LatentTarget(Mixture(flow), flow.bijector, flow.prior)
    z = torch.randn(50, 1, 4, 4, generator=seeded(), dtype=torch.float64)
    difference = latent.energy(z) + flow.prior.log_prob(z)
    assert difference.std() < 1e-10
    assert (LatentTarget(Mixture(flow), flow.bijector).energy(z) - latent.energy(z)).std() > 0.1


def test_both_latents_of_a_field_together_have_its_whole_weight():
    flow = Flow(conv().bijector, Gaussian((1, 4, 4)), z2=True).double()
    target = GaussianTarget(4)
    latent = LatentTarget(target, flow.bijector, flow.prior)
    x = torch.randn(20, 1, 4, 4, generator=seeded(), dtype=torch.float64)
    parts = []
    for field in (x, -x):
        z, log_det = flow.bijector(field)
        parts.append(-latent.energy(z) + log_det)
    torch.testing.assert_close(torch.logaddexp(*parts), -target.energy(x))
    assert (parts[0] - parts[1]).abs().max() > 0.1


def test_weights_get_no_gradients_and_shapes_are_checked(flow):
    latent_hmc(flow, GaussianTarget(4), chains=2, steps=2, warmup=1, generator=seeded())
    assert all(weight.grad is None for weight in flow.parameters())
    with pytest.raises(ValueError, match="got fields of shape"):
        latent_hmc(flow, GaussianTarget(8), chains=2, steps=2, warmup=1, generator=seeded())


def test_random_signs_are_refused_for_an_energy_that_is_not_even():
    class Tilted:
        event_shape = (1, 4, 4)

        def energy(self, x):
            return (x.square() / 2 - x).sum((1, 2, 3))

    budget = {"chains": 32, "steps": 60, "warmup": 60, "generator": seeded()}
    white = Flow(ElementwiseSpline((1, 4, 4), bins=4), Gaussian((1, 4, 4)))
    per_site = mean_with_error(latent_hmc(white, Tilted(), **budget).energies / 16)
    assert abs(per_site.value) < 4 * per_site.error < 0.1
    white.z2 = True
    with pytest.raises(ValueError, match="not E"):
        latent_hmc(white, Tilted(), **budget)
