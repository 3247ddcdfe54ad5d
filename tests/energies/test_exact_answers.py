"""Exact rows of reports and two-point functions, as energies offer them."""

import pytest
import torch

from rgflow.energies import XY, ComplexPhi4, GaussianField, Ising, Phi4
from rgflow.energies.exact import free_field_two_point, ising_brute_force, ising_energy


@pytest.mark.parametrize("coupling", [0.2, 0.44, -0.3])
def test_rows_of_the_ising_model(coupling):
    rows, moments = Ising(4, coupling).exact_observables(), ising_brute_force(4, 4, coupling)
    assert rows == pytest.approx(
        {
            "m2": moments.m2,
            "energy_per_site": coupling * moments.energy,
            "specific_heat": moments.specific_heat,
        }
    )


@pytest.mark.parametrize(("energy", "known"), [(Ising(10), True), (Ising(10, 0.05), False)])
def test_magnetization_beyond_dense_matrices(energy, known):
    rows = energy.exact_observables()
    assert ("m2" in rows) == known
    if known:  # between those of sides 8 and 16
        assert 0.5445 < rows["m2"] < 0.6469


def test_a_large_lattice_is_not_enumerated():
    rows = Ising(64).exact_observables()
    assert set(rows) == {"energy_per_site", "specific_heat"}
    coupling = Ising(64).coupling
    assert rows["energy_per_site"] == coupling * ising_energy(64, 64, coupling)


@pytest.mark.parametrize("energy", [GaussianField(5, 0.5), Phi4(5, m2=0.5, lam=0.0)])
def test_free_field(energy):
    exact = free_field_two_point(5, 5, 0.5)
    assert torch.allclose(energy.exact_two_point(), exact[0, :3])
    rows = {"m2": float(exact.mean()), "energy_per_site": 0.5, "specific_heat": 0.5}
    assert energy.exact_observables() == pytest.approx(rows)


def test_complex_free_field_is_two_real_ones():
    # of mass 2 m2 = 2 mu - 4 t and stiffness t: the free field above with t = 2
    energy = ComplexPhi4(4, t=2.0, mu=4.5, lam=0.0)
    assert torch.allclose(energy.exact_two_point(), 2 * free_field_two_point(4, 4, 0.5)[0, :3])
    assert energy.exact_observables()["energy_per_site"] == 1


@pytest.mark.parametrize("energy", [Phi4(4, m2=-4.0, lam=6.0), XY(4, 1.0)])
def test_nothing_is_made_up(energy):
    assert energy.exact_observables() == {}
    assert energy.exact_two_point() is None
