"""Moves alternated with proposals of a flow have the exact law, however bad the flow."""

import pytest
import torch
from gaussian_target import seeded
from plain_energy import Wells

from rgflow import Flow
from rgflow.bijectors import Chain, CirculantRoot, ElementwiseAffine
from rgflow.energies import XY, GaussianField, Ising, Phi4, as_energy
from rgflow.energies.exact import ising_brute_force
from rgflow.evaluation.observables_table import energy_report
from rgflow.montecarlo import hybrid_chains
from rgflow.montecarlo.methods import method_of_moves
from rgflow.montecarlo.moves import moves_of
from rgflow.montecarlo.reference import flow_chains, reference_samples
from rgflow.priors import Gaussian

ISING = Ising(4)
EXACT = ising_brute_force(4, 4, ISING.coupling)
FIELD = GaussianField(4, 0.3)


def shifted(spectrum, shift, z2=True):
    """A Gaussian about a field of that height, or with z2 the mixture of it and its mirror."""
    shape = (1, *spectrum.shape)
    bijector = Chain([ElementwiseAffine(shape, shift=shift), CirculantRoot(spectrum)])
    return Flow(bijector, Gaussian(shape), z2=z2)


def rows(energy, chains):
    return energy_report(energy, chains.samples, chains.energies)


@pytest.fixture(scope="module")
def flow():
    return shifted(ISING.spectrum, 0.9 * float(ISING.spectrum[0, 0]))


def assert_exact(table):
    assert abs(table["m2"].value - EXACT.m2) < 3.5 * table["m2"].error < 0.02 * EXACT.m2
    energy = ISING.exact_observables()["energy_per_site"]
    assert abs(table["energy_per_site"].value - energy) < 3.5 * table["energy_per_site"].error


def mean_sign(chains):
    """Of the field's mean: 0, with an error of one over the root of the number of states."""
    signs = chains.samples.mean((-3, -2, -1)).sign()
    return float(signs.mean()) * signs.numel() ** 0.5


def test_hybrid_chains_of_a_small_ising_lattice_are_exact(flow):
    chains = flow_chains(flow, ISING, "hybrid", chains=128, states=200, seed=1)
    assert chains.method == "hybrid"
    assert 0.1 < chains.acceptance < 0.9  # the flow matters, and is not the target
    assert_exact(rows(ISING, chains))
    assert abs(mean_sign(chains)) < 3.5


def test_another_density_than_that_of_the_samples_is_found_out(flow, monkeypatch):
    """That of one sign alone in the place of the mixture, which is what the flow samples."""
    monkeypatch.setattr(Flow, "log_prob", lambda self, x: self._component(x, 1.0))
    chains = flow_chains(flow, ISING, "hybrid", chains=128, states=50, seed=1)
    assert abs(mean_sign(chains)) > 7


@pytest.mark.parametrize(
    ("energy", "method"),
    [(ISING, "cluster"), (XY(4, 0.8), "cluster"), (Phi4(4, m2=-1.0, lam=0.5), "cluster"),
     (FIELD, "hmc"), (Ising(4, -0.2), "hmc"), (as_energy(Wells()), "hmc")],
)  # fmt: skip
def test_clusters_move_where_there_are_any(energy, method):
    assert method_of_moves(energy) == method


def test_moves_of_spins_keep_the_law():
    moves = moves_of(ISING, 6000, seeded())
    x = moves.start
    for _ in range(4):
        x = moves.move(x)
    signs = (moves.start.mean((1, 2, 3)) * x.mean((1, 2, 3))).sign()
    assert abs(float(signs.mean())) < 3.5 / 6000**0.5  # the last clusters have any sign
    table = energy_report(ISING, x[None], ISING.energy(x)[None].double())
    assert table["m2"].tau == 0.5
    assert_exact(table)
    # given the spins the field is normal about K s with covariance K
    width, field = float(ISING.spectrum[0, 0]), table["field_m2"]
    exact = width / 16 + width**2 * EXACT.m2
    assert abs(field.value - exact) < 3.5 * field.error < 0.03 * exact


def test_hmc_takes_the_place_of_clusters():
    flow = shifted(1.5 * FIELD.spectrum, 0.5, z2=False)
    chains = flow_chains(flow, FIELD, "hybrid", chains=64, states=100, seed=2)
    table, exact = rows(FIELD, chains), FIELD.exact_observables()
    for name in ("m2", "energy_per_site"):
        error = table[name].error
        assert abs(table[name].value - exact[name]) < 3.5 * error < 0.2 * exact[name]


def test_angles_move_in_the_place_of_their_field():
    energy = XY(4, 0.8)
    flow = shifted(torch.full((4, 4), 2.0), 0.0)
    ours = rows(energy, flow_chains(flow, energy, "hybrid", chains=32, states=64, seed=2))
    theirs = rows(energy, reference_samples(energy, chains=32, states=128, seed=4))
    for name in ("m2", "energy_per_site"):
        error = (ours[name].error ** 2 + theirs[name].error ** 2) ** 0.5
        assert abs(ours[name].value - theirs[name].value) < 4 * error < 0.1


def test_chains_can_be_made_longer_and_follow_the_seed(flow):
    whole = hybrid_chains(flow, ISING, chains=3, seed=5)
    whole.extend(16)
    whole.extend(4)
    again = hybrid_chains(flow, ISING, chains=3, seed=5)
    again.extend(20)
    assert torch.equal(whole.reference().samples, again.reference().samples)
    other = hybrid_chains(flow, ISING, chains=3, seed=6)
    other.extend(2)
    assert not torch.equal(other.reference().samples, again.reference().samples[:2])


def test_flows_in_double_precision_and_mistakes(flow):
    chains = hybrid_chains(shifted(FIELD.spectrum, 0.1).double(), FIELD, chains=2)
    chains.extend(3)
    assert chains.reference().samples.shape == (3, 2, 1, 4, 4)
    with pytest.raises(ValueError, match="energy: got fields of shape"):
        hybrid_chains(flow, GaussianField(6, 0.3))
    with pytest.raises(ValueError, match="chains=0"):
        hybrid_chains(flow, ISING, chains=0)
