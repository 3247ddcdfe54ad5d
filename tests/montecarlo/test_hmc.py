import math

import pytest
import torch
from gaussian_target import GaussianTarget, assert_second_moments, seeded

from rgflow.montecarlo import hmc
from rgflow.montecarlo.integrator import Kinetic, leapfrog
from rgflow.statistics import integrated_autocorrelation_time, mean_with_error


def run(target, generator, **changes):
    settings = {"steps": 300, "warmup": 150, "leapfrog_steps": 6} | changes
    return hmc(target, 0.1 * torch.ones(32, *target.event_shape).double(), generator=generator,
               **settings)  # fmt: skip


@pytest.mark.parametrize("accelerated", [False, True])
def test_moments_of_an_anisotropic_gaussian(accelerated):
    target = GaussianTarget(4, m2=0.5, anisotropy=8.0)
    spectrum = target.spectrum() if accelerated else None
    chains = run(target, seeded(), mass_spectrum=spectrum)
    assert chains.samples.shape == (300, 32, 1, 4, 4)
    assert_second_moments(chains.samples, target.covariance())
    energy = mean_with_error(chains.energies)
    assert abs(energy.value - 8) < 4 * energy.error < 0.5  # half of 16 degrees of freedom
    assert torch.equal(chains.energies[5], target.energy(chains.samples[5]))


@pytest.mark.parametrize("goal", [0.65, 0.8, 0.9])
def test_the_step_size_is_tuned_to_the_acceptance(goal):
    chains = run(GaussianTarget(4), seeded(), warmup=300, target_acceptance=goal)
    assert abs(chains.acceptance - goal) < 0.06


def test_without_warmup_the_step_size_is_kept():
    assert run(GaussianTarget(4), seeded(), warmup=0, steps=2, step_size=0.123).step_size == 0.123


@pytest.mark.parametrize("accelerated", [False, True])
def test_trajectories_are_reversible_and_preserve_the_volume(accelerated):
    target = GaussianTarget(4, m2=0.3, anisotropy=2.0)
    kinetic = Kinetic(target.spectrum() if accelerated else None)
    x = torch.randn(3, 1, 4, 4, generator=seeded(), dtype=torch.float64)
    p = kinetic.momenta(x, seeded(1))

    def move(x, p):
        return leapfrog(target.force, x, p, 0.2, 9, kinetic.velocity)

    end, momentum = move(x, p)
    back, flipped = move(end, -momentum)
    assert (end - x).abs().max() > 0.5
    assert (back - x).abs().max() < 1e-10
    assert (flipped + p).abs().max() < 1e-10
    both = torch.cat([x[:1].flatten(), p[:1].flatten()])
    jacobian = torch.func.jacrev(
        lambda v: torch.cat([a.flatten() for a in move(v[:16].view(1, 1, 4, 4),
                                                       v[16:].view(1, 1, 4, 4))])
    )(both)  # fmt: skip
    assert abs(jacobian.slogdet().logabsdet) < 1e-10


def test_the_error_of_the_energy_is_of_second_order():
    target = GaussianTarget(4)
    x = torch.randn(8, 1, 4, 4, generator=seeded(), dtype=torch.float64)
    p = torch.randn(8, 1, 4, 4, generator=seeded(1), dtype=torch.float64)
    kinetic, errors = Kinetic(), []
    for steps in (10, 20):
        end, momentum = leapfrog(target.force, x, p, 1 / steps, steps)
        change = target.energy(end) + kinetic.energy(momentum)
        errors.append((change - target.energy(x) - kinetic.energy(p)).abs().mean())
    assert 3.5 < errors[0] / errors[1] < 4.5


def test_momenta_have_the_masses_asked_for():
    kinetic = Kinetic(GaussianTarget(4).spectrum())
    p = kinetic.momenta(torch.zeros(20000, 1, 4, 4).double(), seeded())
    power = torch.fft.fft2(p).abs().square().mean((0, 1)) / 16
    assert torch.allclose(power, GaussianTarget(4).spectrum(), rtol=0.06)
    assert kinetic.energy(p).mean() == pytest.approx(8, abs=4 * 2**0.5 * 2 / 20000**0.5)


def test_fourier_masses_remove_the_slowing_down_of_a_free_field():
    target = GaussianTarget(16, m2=0.02)
    taus = {}
    for spectrum in (None, target.spectrum()):
        chains = run(target, seeded(), steps=400, mass_spectrum=spectrum, leapfrog_steps=5)
        m2 = chains.samples.mean((-3, -2, -1)) ** 2
        taus[spectrum is None] = integrated_autocorrelation_time(m2).tau
    assert taus[False] < 0.25 * taus[True]


class Overflowing(GaussianTarget):
    """A wall of NaN and infinities, which trajectories cross all the time, beyond |x| = 1."""

    def energy(self, x):
        outside = x.abs().flatten(1).amax(1) > 1
        return torch.where(outside, math.nan, super().energy(x))

    def force(self, x):
        return torch.where(x.abs() > 1, math.inf, super().force(x))


def test_an_overflow_is_a_rejection_and_never_sticks():
    target = Overflowing(4)
    chains = run(target, seeded(), leapfrog_steps=10)
    assert chains.samples.isfinite().all()
    assert chains.energies.isfinite().all()
    assert chains.samples.abs().max() <= 1
    assert 0.5 < chains.acceptance < 1
    moved = (chains.samples[-1] != chains.samples[-100]).flatten(1).any(1)
    assert moved.all()


def test_an_energy_of_minus_infinity_is_an_overflow_too():
    class Pit(GaussianTarget):
        def energy(self, x):
            deep = x.abs().flatten(1).amax(1) > 1
            return torch.where(deep, -math.inf, super().energy(x))

    assert run(Pit(4), seeded()).samples.abs().max() <= 1


def test_a_chain_that_starts_far_out_is_not_left_behind():
    class Quartic(GaussianTarget):
        def energy(self, x):
            return x.pow(4).flatten(1).sum(1)

        def force(self, x):
            return -4 * x.pow(3)

    start = 0.5 * torch.ones(64, 1, 4, 4, dtype=torch.float64)
    start[0] = 30.0  # stable only for steps some sixty times as short as the others'
    chains = hmc(Quartic(4), start, steps=200, warmup=200, generator=seeded())
    assert chains.samples[:, 0].abs().max() < 3
    energy = mean_with_error(chains.energies)
    assert abs(energy.value - 4) < 4 * energy.error < 0.3  # a quarter per degree of freedom


def test_same_seed_same_chains_thinned_or_not():
    target = GaussianTarget(4)
    a, b = (run(target, seeded(), steps=20, warmup=5, thin=thin) for thin in (1, 5))
    assert torch.equal(a.samples[4::5], b.samples)
    assert torch.equal(a.energies[4::5], b.energies)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_gradient_mode_and_the_start_are_left_alone(enabled):
    start = torch.ones(2, 1, 4, 4, requires_grad=True)
    with torch.set_grad_enabled(enabled):
        chains = hmc(GaussianTarget(4), start, steps=3, warmup=2, generator=seeded())
        assert torch.is_grad_enabled() == enabled
    assert chains.samples.dtype == torch.float32
    assert not chains.samples.requires_grad
    assert torch.equal(start, torch.ones(2, 1, 4, 4))


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0},
        {"warmup": -1},
        {"thin": 400},
        {"step_size": -1.0},
        {"leapfrog_steps": 0},
        {"target_acceptance": 1.0},
        {"mass_spectrum": torch.ones(4, 5)},
        {"mass_spectrum": -torch.ones(4, 4)},
        {"mass_spectrum": torch.arange(1.0, 17).view(4, 4)},
    ],
)
def test_wrong_settings_are_refused(changes):
    with pytest.raises(ValueError, match=r"expected|must"):
        run(GaussianTarget(4), seeded(), **changes)


@pytest.mark.parametrize("start", [torch.ones(2, 1, 4, 5), torch.full((2, 1, 4, 4), math.nan)])
def test_wrong_starts_are_refused(start):
    with pytest.raises(ValueError, match="start"):
        hmc(GaussianTarget(4), start, steps=3, warmup=2, generator=seeded())
