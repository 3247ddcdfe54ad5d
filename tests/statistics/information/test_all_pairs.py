"""Informations of all pairs at once, against one pair at a time and against exact ones."""

import pytest
import torch

from rgflow.statistics.information import gaussian_information, latent_mutual_information
from rgflow.statistics.information.all_pairs import mean_pair_informations
from rgflow.statistics.information.gaussian_copula import gaussian_block_information


def ring(samples, sites, seed=0, components=1):
    """A stationary Gaussian field on a ring, and its covariance ``(sites, sites)``."""
    generator = torch.Generator().manual_seed(seed)
    shape = (samples, sites, components)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    kernel = torch.zeros(sites, dtype=torch.float64)
    kernel[:3] = torch.tensor([1.0, 0.7, 0.3])
    kernel /= kernel.norm()
    root = torch.stack([kernel.roll(i) for i in range(sites)])
    return torch.einsum("ij,njc->nic", root, noise), root @ root.T


def distances(sites):
    index = torch.arange(sites)
    return (index[:, None] - index) % sites


def test_a_pair_of_all_is_that_pair_alone():
    x = ring(2048, 6)[0][..., 0]
    classes = torch.full((6, 6), -1)
    classes[0, 1], classes[2, 5] = 0, 1
    means = mean_pair_informations(x, classes, blocks=64, permutations=0)
    for place, (i, j) in enumerate([(0, 1), (2, 5)]):
        alone = latent_mutual_information(x[:, i], x[:, j], permutations=0)
        assert float(means.information[place]) == pytest.approx(alone.value, rel=1e-8)
        assert float(means.error[place]) == pytest.approx(alone.error, rel=0.3)


@pytest.mark.parametrize("translations", [False, True])
def test_means_over_distances_are_exact_within_errors(translations):
    x, covariance = ring(4096, 12)
    classes = distances(12) - 1  # distance 0 is left out
    orbits = distances(12) if translations else None
    exact = gaussian_information(covariance[1:, 0])
    means = mean_pair_informations(x[..., 0], classes, orbits=orbits, blocks=32)
    assert ((means.information - exact).abs() < 4 * means.error).all()
    assert means.pairs.tolist() == [12] * 11
    halves = torch.zeros(2, 11)
    halves[0, :3], halves[1, 4] = 1 / 3, 1
    value, covariance = means.combined(halves)
    assert float(value[0]) == pytest.approx(float(means.information[:3].mean()))
    assert float(covariance[1, 1].sqrt()) == pytest.approx(float(means.error[4]))
    scatter = means.drawn[:, :3].mean(1).std()
    assert float(covariance[0, 0].sqrt()) == pytest.approx(float(scatter), rel=0.1)


def test_a_symmetry_takes_noise_and_bias_away():
    x, _ = ring(1024, 16)
    classes = torch.where((distances(16) > 4) & (distances(16) < 12), 0, -1)  # no information
    plain = mean_pair_informations(x[..., 0], classes, blocks=16)
    by_orbit = mean_pair_informations(x[..., 0], classes, orbits=distances(16), blocks=16)
    assert float(plain.baseline) == pytest.approx(0.5 / 1024, rel=0.3)
    assert float(by_orbit.baseline) < 0.3 * float(plain.baseline)
    assert float(by_orbit.error) < 0.6 * float(plain.error)
    for means in (plain, by_orbit):
        assert abs(float(means.information)) < 4 * float(means.error)


def test_errors_cover_the_truth_and_values_are_not_clipped():
    _, covariance = ring(2, 8)
    exact = gaussian_information(covariance[1, 0])
    pulls, far = [], []
    for seed in range(24):
        x = ring(512, 8, seed)[0][..., 0]
        classes = torch.full((8, 8), -1)
        classes[0, 1], classes[0, 4] = 0, 1
        means = mean_pair_informations(x, classes, blocks=32, seed=seed)
        pulls.append((means.information[0] - exact) / means.error[0])
        far.append(float(means.information[1]))
    assert 0.6 < torch.stack(pulls).std() < 1.5
    assert min(far) < 0 < max(far)


def test_the_error_of_a_mean_over_weak_pairs_is_its_scatter():
    """Hundreds of pairs without information: the errors fall as pairs are averaged."""
    classes = torch.triu(torch.zeros(30, 30).long() + 1, 1) - 1
    means = [
        mean_pair_informations(
            torch.randn(512, 30, generator=torch.Generator().manual_seed(seed)), classes, seed=seed
        )
        for seed in range(16)
    ]
    scatter = torch.cat([one.information for one in means]).std()
    quoted = torch.cat([one.error for one in means]).mean()
    assert 0.8 < quoted / scatter < 2.6  # about sqrt 3 where there is no information at all
    assert quoted < 0.2 * 0.5 / 512  # of the information of noise in one pair


def test_latents_of_several_components():
    x, covariance = ring(4096, 6, components=2)
    mixed = x @ torch.tensor([[1.0, 0.4], [0.0, 0.5]], dtype=torch.float64)  # changes nothing
    exact = gaussian_block_information(covariance[1:, 0, None, None] * torch.eye(2).double())
    for orbits in (None, distances(6)):
        means = mean_pair_informations(mixed, distances(6) - 1, orbits=orbits, blocks=32)
        assert ((means.information - exact).abs() < 4 * means.error).all()


@pytest.mark.parametrize(
    ("x", "classes", "complaint"),
    [
        (torch.randn(64), torch.zeros(1, 1).long(), "got latents of shape"),
        (torch.randn(64, 2), torch.zeros(3, 3).long(), "classes: got"),
        (torch.randn(64, 2), torch.zeros(2, 2), "classes: got"),
        (torch.randn(64, 2), torch.tensor([[-1, 1], [1, -1]]), r"classes of \[0, 2\] pairs"),
        (torch.randn(20, 2), torch.tensor([[-1, 0], [0, -1]]), "blocks: got 2 for 20 samples"),
        (torch.ones(64, 2).int(), torch.tensor([[-1, 0], [0, -1]]), "int32"),
    ],
)
def test_what_does_not_fit_is_refused(x, classes, complaint):
    with pytest.raises(ValueError, match=complaint):
        mean_pair_informations(x, classes)
