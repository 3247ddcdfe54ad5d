"""Neural bounds on the mutual information, against exact values."""

import math

import pytest
import torch

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.montecarlo.cluster import swendsen_wang
from rgflow.realspace.samples.neural_information import (
    donsker_varadhan,
    estimate_bounds,
    info_nce,
    learn_filter,
)
from rgflow.realspace.samples.torus_information import torus_information
from rgflow.realspace.samples.windows import Windows, cut_windows


def noisy_copies(count, p, seed=0):
    """Laws of a sign t that equals e with probability 1 - p, and their exact information."""
    generator = torch.Generator().manual_seed(seed)
    e = 2.0 * torch.randint(0, 2, (count,), generator=generator) - 1
    up = torch.where(e > 0, 1 - p, p)
    exact = math.log(2) + p * math.log(p) + (1 - p) * math.log(1 - p)
    return torch.stack([up, 1 - up], 1), exact


def test_bounds_are_tight_for_the_best_critic_and_below_for_others():
    law, exact = noisy_copies(20000, 0.1)
    best = (2 * law).log()  # ln P(t | e) / P(t)
    for bound in (donsker_varadhan, info_nce):
        assert bound(law, best).item() == pytest.approx(exact, abs=1e-3)
        assert bound(law, 0.5 * best).item() < exact - 0.01
        assert bound(law, -best).item() < 0
        assert bound(law, torch.zeros_like(law)).item() == pytest.approx(0, abs=1e-6)
    # a constant for each t cancels in InfoNCE but loosens the Donsker-Varadhan bound
    shifted = best + torch.tensor([1.0, 0.0])
    assert info_nce(law, shifted).item() == pytest.approx(info_nce(law, best).item(), abs=1e-5)
    assert donsker_varadhan(law, shifted) < donsker_varadhan(law, best) - 0.1


def test_error_is_the_scatter_over_repetitions():
    results = [estimate_bounds(law, (1.5 * law).log()) for law in map(lopsided, range(40))]
    scatter = torch.tensor([r.info_nce for r in results]).std().item()
    errors = [r.info_nce_error for r in results]
    assert sum(errors) / len(errors) == pytest.approx(scatter, rel=0.4)


def lopsided(seed):
    """Samples with different laws, so that the bounds scatter."""
    generator = torch.Generator().manual_seed(seed)
    up = 0.05 + 0.9 * torch.rand(1000, generator=generator)
    return torch.stack([up, 1 - up], 1)


def test_estimate_agrees_with_enumeration():
    generator = torch.Generator().manual_seed(1)
    spins = swendsen_wang(
        4, 4, CRITICAL_COUPLING, sweeps=160, chains=512, warmup=20, generator=generator
    ).samples
    windows = cut_windows(spins.flatten(0, 1), side=2, buffer=0, stride=4)
    half = len(windows.blocks) // 2
    training, test = (Windows(*(x[part] for x in windows)) for part in _halves(half))
    learned = learn_filter(training, test, generator, steps=700, symmetric=False)
    exact = torus_information(CRITICAL_COUPLING, 4, 4, learned.weights.double()).item()
    bounds = learned.bounds
    for value, error in (
        (bounds.donsker_varadhan, bounds.donsker_varadhan_error),
        (bounds.info_nce, bounds.info_nce_error),
    ):
        assert error < 0.005
        assert value == pytest.approx(exact, abs=4 * error)
    # close to the best: the majority rule has 0.53507, the best filter 0.53776
    assert exact > 0.5355


def _halves(half):
    return slice(half), slice(half, None)


def test_wrong_sizes_are_refused():
    spins = torch.ones(2, 8, 8)
    windows = cut_windows(spins, side=2, buffer=0, stride=4)
    with pytest.raises(ValueError, match="got 8 windows"):
        learn_filter(windows, windows, torch.Generator())
    with pytest.raises(ValueError, match="got 3 samples"):
        estimate_bounds(torch.ones(3, 2) / 2, torch.zeros(3, 2))
