"""Factorized priors of unit variance, with a temperature that may differ from site to site."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from rgflow.runtime.counts import takes_counts, whole_numbers
from rgflow.runtime.fields import check_field

Temperature = float | Tensor


def _sum(values: Tensor) -> Tensor:
    """The sum over all axes but the batch; it needs no particular order in memory."""
    return values.sum(tuple(range(1, values.dim())))


class Prior(nn.Module, ABC):
    """``p(z) = prod_i p(z_i)`` with zero mean and unit variance.

    A temperature T multiplies the standard deviation, ``z -> T z``. It is a number, or a tensor
    that is broadcast against one event, e.g. ``(L, L)`` for a temperature at each site.

    Args:
        event_shape: Shape of one event, e.g. ``(C, L, L)``.
    """

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.event_shape = whole_numbers("event shape", event_shape)
        # samples have the device and the dtype of this buffer, which follow those of the module
        self.register_buffer("anchor", torch.zeros(()), persistent=False)

    def log_prob(self, z: Tensor, temperature: Temperature = 1.0) -> Tensor:
        """Log density in nats, ``(B, *event_shape) -> (B,)`` for B samples.

        Raises:
            ValueError: For another shape, integers, or a temperature that is not positive and
                finite.
        """
        check_field(z, "the prior")
        if tuple(z.shape[1:]) != self.event_shape:
            raise ValueError(
                f"the prior got {tuple(z.shape[1:])}, "
                f"expected {self.event_shape} after the batch axis"
            )
        if isinstance(temperature, (int, float)) and temperature == 1:
            return self._log_density(z)
        scale = self._positive(temperature)
        return self._log_density(z / scale) - scale.log().expand(self.event_shape).sum()

    @takes_counts
    def sample(
        self, n: int, temperature: Temperature = 1.0, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draws n samples, ``(n, *event_shape)``; temperature 0 gives the mode, zero.

        Raises:
            ValueError: For a temperature that is negative or not finite.
        """
        scale = torch.as_tensor(temperature).to(self.anchor)
        if not ((scale >= 0) & scale.isfinite()).all():
            raise ValueError(f"a temperature must be finite and not negative, got {temperature}")
        return self._draw((n, *self.event_shape), generator) * scale

    def of_shape(self, event_shape: tuple[int, ...]) -> Prior:
        """The same law for events of another shape, such as some of the entries alone."""
        return type(self)(event_shape).to(self.anchor)

    def _positive(self, temperature: Temperature) -> Tensor:
        scale = torch.as_tensor(temperature).to(self.anchor)
        if not ((scale > 0) & scale.isfinite()).all():
            raise ValueError(f"a density needs temperatures > 0, got {temperature}")
        return scale

    @abstractmethod
    def _log_density(self, z: Tensor) -> Tensor:
        """Log density at temperature 1, summed over the event."""

    @abstractmethod
    def _draw(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor: ...


class Gaussian(Prior):
    """Standard normal prior, ``log p(z) = -z^2 / 2 - ln(2 pi) / 2`` per entry.

    >>> Gaussian((1,)).log_prob(torch.zeros(1, 1)).item()
    -0.9189385175704956
    """

    def _log_density(self, z: Tensor) -> Tensor:
        return -0.5 * _sum(z * z) - 0.5 * math.log(2 * math.pi) * math.prod(self.event_shape)

    def _draw(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        a = self.anchor
        return torch.randn(shape, generator=generator, device=a.device, dtype=a.dtype)


class Laplace(Prior):
    """Sparse prior of scale ``b = 1 / sqrt 2``: ``log p(z) = -|z| / b - ln(2 b)`` per entry.

    Reference: arXiv:2010.00029.

    >>> Laplace((1,)).log_prob(torch.zeros(1, 1)).item()
    -0.3465735912322998
    """

    def _log_density(self, z: Tensor) -> Tensor:
        return -math.sqrt(2) * _sum(z.abs()) - 0.5 * math.log(2) * math.prod(self.event_shape)

    def _draw(self, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
        a = self.anchor
        # inverse CDF; rand gives multiples of 2^-24 (2^-53 in float64) in [0, 1), and where it
        # gives 0 the clamp replaces ln 0, which in half precision would be far too often
        dtype = torch.promote_types(a.dtype, torch.float32)
        u = torch.rand(shape, generator=generator, device=a.device, dtype=dtype) * 2 - 1
        tail = torch.log1p(-u.abs()).clamp_min(-40.0)
        return (-u.sign() * tail * math.sqrt(0.5)).to(a.dtype)


PRIORS: dict[str, type[Prior]] = {"gaussian": Gaussian, "laplace": Laplace}


def make_prior(name: str, event_shape: tuple[int, ...]) -> Prior:
    """The prior of that name; raises ValueError if there is none."""
    if name not in PRIORS:
        raise ValueError(f"prior {name!r} is unknown, expected one of {sorted(PRIORS)}")
    return PRIORS[name](event_shape)
