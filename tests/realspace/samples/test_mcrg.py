"""Monte-Carlo renormalization group: operators, Swendsen's matrix, the exponent."""

import itertools

import pytest
import torch

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.montecarlo.blocking import block_spins
from rgflow.montecarlo.cluster import swendsen_wang
from rgflow.realspace.samples.mcrg import (
    EVEN_COUPLINGS,
    linearised_map,
    measure_levels,
    measure_operators,
    symmetry_images,
    thermal_exponent,
)


def test_numbers_of_symmetry_images():
    counts = {name: len(symmetry_images(sites)) for name, sites in EVEN_COUPLINGS.items()}
    assert counts == {
        "nearest": 2,
        "diagonal": 2,
        "plaquette": 1,
        "third": 2,
        "knight": 4,
        "diamond": 1,
        "far diagonal": 2,
    }


def test_operators_by_explicit_loops():
    coin = torch.randint(0, 2, (5, 6), generator=torch.Generator().manual_seed(0))
    s = (2 * coin - 1).to(torch.int8)
    values = dict.fromkeys(EVEN_COUPLINGS, 0)
    steps = {
        "nearest": [[(0, 1)], [(1, 0)]],
        "diagonal": [[(1, 1)], [(1, -1)]],
        "plaquette": [[(0, 1), (1, 0), (1, 1)]],
        "third": [[(0, 2)], [(2, 0)]],
        "knight": [[(1, 2)], [(2, 1)], [(1, -2)], [(2, -1)]],
        "diamond": [[(1, 1), (1, -1), (2, 0)]],
        "far diagonal": [[(2, 2)], [(2, -2)]],
    }
    for r, c in itertools.product(range(5), range(6)):
        for name, shapes in steps.items():
            for shape in shapes:
                product = s[r, c].item()
                for down, right in shape:
                    product *= s[(r + down) % 5, (c + right) % 6].item()
                values[name] += product
    assert measure_operators(s).tolist() == [values[name] for name in EVEN_COUPLINGS]


def test_map_without_blocking_is_the_identity():
    generator = torch.Generator().manual_seed(0)
    spins = torch.randint(0, 2, (500, 6, 6), generator=generator) * 2 - 1
    fine, coarse = measure_levels(spins, lambda s: s, 1)
    assert torch.allclose(linearised_map(fine, coarse), torch.eye(7).double(), atol=1e-10)


def synthetic(seed):
    """One coupling whose map has the eigenvalue 0.5 / (0.25 + 0.05)."""
    generator = torch.Generator().manual_seed(seed)
    fine = torch.randn(400, 2, 1, generator=generator, dtype=torch.float64)
    noise = torch.randn(400, 2, 1, generator=generator, dtype=torch.float64)
    return fine, 0.5 * fine + 0.05**0.5 * noise


def test_eigenvalue_and_its_error():
    results = [thermal_exponent(*synthetic(seed), bins=20) for seed in range(40)]
    values = torch.tensor([r.eigenvalue for r in results])
    errors = torch.tensor([r.eigenvalue_error for r in results])
    assert values.mean().item() == pytest.approx(5 / 3, abs=4 * values.std().item() / 40**0.5)
    assert errors.mean().item() == pytest.approx(values.std().item(), rel=0.35)
    nu = torch.tensor([r.nu for r in results])
    assert torch.tensor([r.nu_error for r in results]).mean().item() == pytest.approx(
        nu.std().item(), rel=0.35
    )


@pytest.mark.parametrize(("side", "sweeps"), [(32, 1200), (64, 1000)])
def test_exponent_of_the_ising_model(side, sweeps):
    generator = torch.Generator().manual_seed(0)
    spins = swendsen_wang(
        side,
        side,
        CRITICAL_COUPLING,
        sweeps=sweeps,
        chains=8,
        warmup=50,
        generator=generator,
        thin=2,
    ).samples
    levels = measure_levels(spins, lambda s: block_spins(s, generator=generator), 2)
    result = thermal_exponent(levels[1][..., :4], levels[2][..., :4])
    assert result.nu_error < 0.025
    assert result.nu == pytest.approx(1, abs=3 * result.nu_error)


def test_wrong_shapes_are_refused():
    fine, coarse = synthetic(0)
    with pytest.raises(ValueError, match="expected equal shapes"):
        thermal_exponent(fine, coarse[:-1])
    with pytest.raises(ValueError, match="500 bins"):
        thermal_exponent(fine, coarse, bins=500)


def test_measurements_without_an_exponent_are_refused():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 400, 2, 2, generator=generator, dtype=torch.float64)
    with pytest.raises(ValueError, match="expected one above 1"):
        thermal_exponent(*noise)
    frozen = torch.ones(400, 2, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="couplings that fluctuate"):
        thermal_exponent(frozen, frozen)
    with pytest.raises(ValueError, match="got the rescaling -2"):
        thermal_exponent(*synthetic(0), rescaling=-2.0)
