"""A Gaussian lattice energy whose answers are known, for tests of the samplers."""

import math

import torch
from torch import Tensor

from rgflow.statistics import mean_with_error


class GaussianTarget:
    """``E(x) = 1/2 sum_k |x(k)|^2 (m2 + khat^2) / N + 1/2 sum_i a_i x_i^2`` on one channel."""

    def __init__(self, side: int, m2: float = 1.0, anisotropy: float = 0.0) -> None:
        self.event_shape = (1, side, side)
        self.side, self.m2 = side, m2
        self.extra = anisotropy * torch.linspace(0, 1, side * side).double().view(side, side)

    def spectrum(self) -> Tensor:
        """Inverse propagator ``m2 + khat^2``, ``(L, L)``."""
        khat2 = 4 * torch.sin(math.pi * torch.arange(self.side).double() / self.side) ** 2
        return self.m2 + khat2[:, None] + khat2[None, :]

    def force(self, x: Tensor) -> Tensor:
        neighbours = sum(x.roll(shift, axis) for shift in (1, -1) for axis in (-1, -2))
        return neighbours - (4 + self.m2 + self.extra.to(x)) * x

    def energy(self, x: Tensor) -> Tensor:
        return -0.5 * (x * self.force(x)).flatten(1).sum(1)

    def precision(self) -> Tensor:
        unit = torch.eye(self.side**2).double().view(-1, *self.event_shape)
        return -self.force(unit).flatten(1)

    def covariance(self) -> Tensor:
        return torch.linalg.inv(self.precision())

    def log_z(self) -> float:
        sites = self.side**2
        return float(0.5 * sites * math.log(2 * math.pi) - 0.5 * self.precision().logdet())

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        root = torch.linalg.cholesky(self.covariance())
        noise = torch.randn(n, self.side**2, generator=generator, dtype=torch.float64)
        return (noise @ root.T).view(n, *self.event_shape)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def assert_second_moments(samples, covariance, sigmas=4):
    flat = samples.flatten(2)
    for i, j in ((0, 0), (0, 1), (5, 5), (15, 15), (3, 12)):
        estimate = mean_with_error(flat[..., i] * flat[..., j])
        assert abs(estimate.value - float(covariance[i, j])) < sigmas * estimate.error
        assert estimate.error < 0.05 * float(covariance[0, 0])
    mean = mean_with_error(flat[..., 7])
    assert abs(mean.value) < sigmas * mean.error
