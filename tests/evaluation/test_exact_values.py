import pytest
import torch

from rgflow.energies import XY, ComplexPhi4, GaussianField, Ising, Phi4
from rgflow.energies.exact import free_field_two_point, ising_brute_force, ising_energy
from rgflow.evaluation.exact_values import exact_observables, exact_two_point, sigmas


@pytest.mark.parametrize("coupling", [0.2, 0.44, -0.3])
def test_rows_of_the_ising_model(coupling):
    rows, moments = exact_observables(Ising(4, coupling)), ising_brute_force(4, 4, coupling)
    assert rows == pytest.approx(
        {
            "m2": moments.m2,
            "energy_per_site": coupling * moments.energy,
            "specific_heat": moments.specific_heat,
        }
    )


@pytest.mark.parametrize(("energy", "known"), [(Ising(10), True), (Ising(10, 0.05), False)])
def test_magnetization_beyond_dense_matrices(energy, known):
    rows = exact_observables(energy)
    assert ("m2" in rows) == known
    if known:  # between those of sides 8 and 16
        assert 0.5445 < rows["m2"] < 0.6469


def test_a_large_lattice_is_not_enumerated():
    rows = exact_observables(Ising(64))
    assert set(rows) == {"energy_per_site", "specific_heat"}
    coupling = Ising(64).coupling
    assert rows["energy_per_site"] == coupling * ising_energy(64, 64, coupling)


@pytest.mark.parametrize("energy", [GaussianField(5, 0.5), Phi4(5, m2=0.5, lam=0.0)])
def test_free_field(energy):
    exact = free_field_two_point(5, 5, 0.5)
    assert torch.allclose(exact_two_point(energy), exact[0, :3])
    rows = {"m2": float(exact.mean()), "energy_per_site": 0.5, "specific_heat": 0.5}
    assert exact_observables(energy) == pytest.approx(rows)


def test_complex_free_field_is_two_real_ones():
    # of mass 2 m2 = 2 mu - 4 t and stiffness t: the free field above with t = 2
    energy = ComplexPhi4(4, t=2.0, mu=4.5, lam=0.0)
    assert torch.allclose(exact_two_point(energy), 2 * free_field_two_point(4, 4, 0.5)[0, :3])
    assert exact_observables(energy)["energy_per_site"] == 1


@pytest.mark.parametrize("energy", [Phi4(4, m2=-4.0, lam=6.0), XY(4, 1.0)])
def test_nothing_is_made_up(energy):
    assert exact_observables(energy) == {}
    assert exact_two_point(energy) is None


def test_sigmas():
    assert sigmas(1.5, 0.25, 1.0) == 2
    assert sigmas(1.0, 0.0, 1.0) is None
    assert sigmas(float("nan"), 0.1, 1.0) is None
    assert sigmas(1.0, float("nan"), 1.0) is None
