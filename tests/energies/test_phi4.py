"""phi^4 in the conventions of the literature."""

import math

import pytest
import torch

from rgflow.energies import Phi4
from rgflow.lattice.operators import forward_neighbours

KAPPA_ACTIONS = [(0.2, 0.022), (0.28, 0.5), (0.3, 1.1)]


def fields(side, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 1, side, side, generator=generator, dtype=torch.float64)


def hopping_action(psi, hopping, lam):
    """``sum [-hopping sum_mu psi psi' + (1 - 2 lam) psi^2 + lam psi^4]``, written out."""
    down, right = forward_neighbours(psi)
    site = (1 - 2 * lam) * psi**2 + lam * psi**4
    return (site - hopping * psi * (down + right)).sum((1, 2, 3))


@pytest.mark.parametrize(("kappa", "lam"), KAPPA_ACTIONS)
@pytest.mark.parametrize("side", [2, 5])
def test_the_hopping_convention(side, kappa, lam):
    model = Phi4.from_kappa(side, kappa, lam)
    phi = fields(side)
    theirs = hopping_action(model.field_scale * phi, 2 * kappa, lam)
    torch.testing.assert_close(theirs, model.energy(phi), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("lam", [0.5, 0.3])
def test_the_beta_convention(lam):
    model = Phi4.from_beta(4, 0.57, lam)
    phi = fields(4)
    theirs = hopping_action(model.field_scale * phi, 0.57, lam)
    torch.testing.assert_close(theirs, model.energy(phi), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("side", Phi4.LADDER)
def test_the_ladder_in_the_beta_convention(side):
    lam = Phi4.LADDER[side]
    model = Phi4.from_beta(side, 2 * math.sqrt(0.5 / lam))
    assert model.m2 == pytest.approx(-4, abs=1e-12)
    assert model.lam == pytest.approx(lam, rel=1e-12)
    assert model.field_scale == pytest.approx((2 * lam) ** 0.25, rel=1e-12)


def test_densities_differ_by_the_jacobian():
    """On two by two sites, by quadrature: ``ln Z_T = ln Z_S + N ln field_scale``."""
    kappa, lam = 0.25, 0.8
    model = Phi4.from_kappa(2, kappa, lam)
    points = torch.linspace(-4, 4, 31, dtype=torch.float64)
    grid = torch.cartesian_prod(*[points] * 4).reshape(-1, 1, 2, 2)
    volume = 4 * math.log(points[1] - points[0])
    ours = (-model.energy(grid / 2)).logsumexp(0) + volume - 4 * math.log(2)
    theirs = (-hopping_action(grid, 2 * kappa, lam)).logsumexp(0) + volume
    assert model.field_scale == pytest.approx(2.0)
    assert model.hopping.log_z_shift == pytest.approx(4 * math.log(2))
    assert float(theirs - ours) == pytest.approx(4 * math.log(model.field_scale), abs=1e-6)
    # on another grid, so that the two sums do not share their points
    finer = 0.45 * grid
    ours = (-model.energy(finer)).logsumexp(0) + volume + 4 * math.log(0.45)
    assert float(theirs - ours) == pytest.approx(4 * math.log(2), abs=1e-6)


@pytest.mark.parametrize(("kappa", "lam"), [*KAPPA_ACTIONS, (0.1, 0.0)])
def test_there_and_back(kappa, lam):
    back = Phi4.from_kappa(4, kappa, lam).hopping
    assert back.kappa == pytest.approx(kappa, rel=1e-12)
    assert back.lam == pytest.approx(lam, rel=1e-12)
    assert back.beta == 2 * back.kappa
    again = Phi4.from_beta(4, back.beta, back.lam).hopping
    assert again == pytest.approx(back, rel=1e-12)


@pytest.mark.parametrize(("m2", "lam"), [(-4.0, 6.008), (-9.0, 2.0), (-4.5, 1e-3), (0.3, 0.0)])
def test_a_theory_of_any_couplings_has_the_action_of_its_hopping_form(m2, lam):
    model = Phi4(3, m2, lam)
    kappa, beta, theirs, scale, shift = model.hopping
    phi = fields(3)
    action = hopping_action(scale * phi, 2 * kappa, theirs)
    torch.testing.assert_close(action, model.energy(phi), rtol=1e-10, atol=1e-9)
    same = Phi4.from_beta(3, beta, theirs)
    assert (same.m2, same.lam) == pytest.approx((m2, lam), rel=1e-9)
    assert shift == pytest.approx(9 * math.log(scale))
    assert same.field_scale == pytest.approx(scale)


def test_the_shift_of_log_z_is_that_of_the_free_field():
    """In hopping form ``T = 1/2 psi^T A psi`` with ``A(k) = 2 (1 - 2 kappa sum_mu cos k_mu)``."""
    model = Phi4(4, 0.7, 0.0)
    kappa, _, _, _, shift = model.hopping
    cos = torch.cos(torch.arange(4, dtype=torch.float64) * math.pi / 2)
    stiffness = 2 * (1 - 2 * kappa * (cos[:, None] + cos))
    theirs = 8 * math.log(2 * math.pi) - 0.5 * float(stiffness.log().sum())
    assert theirs == pytest.approx(model.log_z + shift, abs=1e-10)
