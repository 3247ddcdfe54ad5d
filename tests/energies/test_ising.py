"""The continuous dual: its normalisation and the joint law of spins and field."""

import math

import pytest
import torch

from rgflow.energies import Ising
from rgflow.energies.exact import ising_brute_force
from rgflow.lattice.operators import neighbour_sum


def all_spins(side):
    bits = torch.arange(2 ** (side * side))[:, None] >> torch.arange(side * side) & 1
    return (2 * bits - 1).double().reshape(-1, 1, side, side)


def matrix_of_k(model):
    side = model.event_shape[-1]
    basis = torch.eye(side * side, dtype=torch.float64).reshape(-1, side, side)
    k = model.coupling * neighbour_sum(basis) + model.alpha * basis
    return k.reshape(side * side, -1)


def log_joint(model, spins, x):
    """``ln[P(s) Normal(x; K s, K)]``, spins ``(S, 1, L, L)`` and x ``(B, 1, L, L)``."""
    k = matrix_of_k(model)
    s, x = spins.flatten(1), x.flatten(1)
    side = model.event_shape[-1]
    bonds = (s * neighbour_sum(spins).flatten(1)).sum(1) / 2
    log_p = model.coupling * bonds - ising_brute_force(side, side, model.coupling).log_z
    away = x[:, None] - s @ k  # (B, S, N)
    form = torch.einsum("bsi,ij,bsj->bs", away, torch.linalg.inv(k), away)
    return log_p - form / 2 - torch.logdet(2 * math.pi * k) / 2


MODELS = {
    "side_2": lambda: Ising(2, 0.4),
    "side_3": lambda: Ising(3, 0.35, margin=0.3),
    "free": lambda: Ising(2, 0.0),
    "antiferromagnet": lambda: Ising(2, -0.6),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


@every_model
def test_the_law_of_the_field_is_the_marginal_of_the_joint_law(make):
    """A mixture of 2**N Gaussians is normalised: this fixes every constant of ``log_z``."""
    model = make()
    generator = torch.Generator().manual_seed(0)
    x = 2 * torch.randn(20, *model.event_shape, generator=generator, dtype=torch.float64)
    expected = log_joint(model, all_spins(model.event_shape[-1]), x).logsumexp(1)
    torch.testing.assert_close(-model.energy(x) - model.log_z, expected, rtol=1e-11, atol=1e-10)


@every_model
def test_spins_given_the_field_are_independent_with_that_law(make):
    model = make()
    spins = all_spins(model.event_shape[-1])
    x = torch.randn(
        3, *model.event_shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    joint = log_joint(model, spins, x)
    posterior = (joint - joint.logsumexp(1, keepdim=True)).exp()  # (B, S)
    p_up = posterior @ (spins.flatten(1) > 0).double()
    torch.testing.assert_close(p_up, torch.sigmoid(2 * x.flatten(1)))
    n = 20_000
    repeated = x.repeat_interleave(n, 0)
    drawn = model.spins(repeated, torch.Generator().manual_seed(2))
    assert set(drawn.unique().tolist()) == {-1.0, 1.0}
    frequency = (drawn > 0).double().reshape(3, n, -1).mean(1)
    error = (p_up * (1 - p_up) / n).sqrt()
    assert ((frequency - p_up).abs() <= 4.5 * error).all()
    codes = ((drawn > 0).flatten(1).long() << torch.arange(spins[0].numel())).sum(1)
    counts = torch.stack([torch.bincount(c, minlength=len(spins)) for c in codes.reshape(3, n)])
    expected = n * posterior
    chi2 = ((counts - expected).square() / expected.clamp_min(1e-300))[expected > 5].sum()
    degrees = (expected > 5).sum()
    assert abs(chi2 - degrees) < 5 * (2 * degrees.double()).sqrt() + 3


@every_model
def test_the_field_given_spins_is_normal_with_mean_and_covariance_of_k(make):
    model = make()
    k = matrix_of_k(model)
    n = 40_000
    spins = all_spins(model.event_shape[-1])[5:6]
    x = model.field(spins.expand(n, -1, -1, -1), torch.Generator().manual_seed(3)).flatten(1)
    away = x - spins.flatten(1) @ k
    assert (away.mean(0).abs() <= 4.5 * (k.diagonal() / n).sqrt()).all()
    error = ((k.diagonal()[:, None] * k.diagonal() + k**2) / n).sqrt()
    assert ((away.T @ away / n - k).abs() <= 4.5 * error).all()


def test_the_round_trip_keeps_the_law_of_the_spins():
    """Spins from the exact law, to the field, and back: averages stay exact."""
    model = Ising(3, 0.4)
    generator = torch.Generator().manual_seed(4)
    spins = all_spins(3)
    bonds = (spins * neighbour_sum(spins)).sum((1, 2, 3)) / 2
    exact = ising_brute_force(3, 3, 0.4)
    n = 40_000
    law = (0.4 * bonds - exact.log_z).exp()
    start = spins[torch.multinomial(law, n, replacement=True, generator=generator)]
    end = model.spins(model.field(start, generator), generator)
    assert (end != start).any()
    m2 = end.mean((1, 2, 3)).square()
    energy = -(end * neighbour_sum(end)).sum((1, 2, 3)) / 2 / 9
    for values, expected in ((m2, exact.m2), (energy, exact.energy)):
        assert abs(values.mean() - expected) <= 4 * values.std() / math.sqrt(n)


def test_log_z_on_two_by_two_by_quadrature():
    # trapezoids: exponentially accurate for a smooth integrand with light tails
    model = Ising(2, 0.3, margin=0.5)
    points = torch.linspace(-10.5, 10.5, 33, dtype=torch.float64)
    grid = torch.cartesian_prod(*[points] * 4).reshape(-1, 1, 2, 2)
    log_sum = (-model.energy(grid)).logsumexp(0) + 4 * math.log(points[1] - points[0])
    assert float(log_sum) == pytest.approx(model.log_z, abs=1e-6)


def test_k_has_the_margin_as_its_smallest_eigenvalue():
    for model in (Ising(4), Ising(5, 0.7, margin=0.02), Ising(4, -0.3)):
        smallest = torch.linalg.eigvalsh(matrix_of_k(model)).min()
        assert smallest == pytest.approx(model.margin, abs=1e-12)
        assert model.spectrum.min() == pytest.approx(model.margin, abs=1e-12)


def test_far_fields_do_not_overflow():
    model = Ising(4)
    x = torch.full((2, 1, 4, 4), 1e4)
    x[1] *= -1
    assert model.energy(x).isfinite().all()
    assert model.force(x).isfinite().all()
    k = 4 * model.coupling + model.alpha  # the uniform mode
    assert model.energy(x.double())[0] == pytest.approx(16 * (1e8 / k / 2 - 1e4), rel=1e-12)
