"""The contract of an energy, and the same energy at another temperature."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn


class Energy(nn.Module, ABC):
    """A target law ``exp(-E(x)) / Z`` of fields; temperatures are part of the couplings.

    Constants on the lattice are float64 buffers, cast to the field's type at use and no part of
    the state: leave an energy in double precision and give it fields of either.

    What is known of an energy, its ln Z, samplers and exact answers, is of that energy alone: a
    class that changes the ``energy`` of one of this package is a TypeError.

    Args:
        event_shape: Shape of one field without the batch axis, ``(C, L, L)``.

    Raises:
        ValueError: If there is not at least one axis, or an empty one.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__mro__[1:]:
            ours = base.__module__.startswith(f"{__package__}.") and base is not Energy
            if ours and issubclass(base, Energy) and cls.energy is not base.energy:
                raise TypeError(
                    f"{cls.__name__} gives {base.__name__} another energy, but would keep its "
                    f"samplers and exact answers: derive it from Energy, with a {base.__name__} "
                    "as an attribute"
                )

    def __init__(self, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.event_shape: tuple[int, ...] = tuple(event_shape)
        if not self.event_shape or min(self.event_shape) < 1:
            raise ValueError(f"got event shape {self.event_shape}, expected positive sizes")

    @abstractmethod
    def energy(self, x: Tensor) -> Tensor:
        """``E(x)`` in units of the temperature, ``(B, *event_shape) -> (B,)``."""

    def force(self, x: Tensor) -> Tensor:
        """``-dE/dx``, like x and without a graph, whatever the caller's gradient mode.

        An energy of which a closed form is known overrides this.
        """
        with torch.inference_mode(False), torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self.energy(leaf).sum(), leaf)
        return -gradient

    @property
    def log_z(self) -> float | None:
        """Exact ``ln Z = ln int dx exp(-E(x))``, or None where it is not known."""
        return None

    @property
    def spectrum(self) -> Tensor | None:
        """Covariance of the Gaussian part of the law by Fourier mode, or None where it has none.

        ``(L, L)`` float64 on the CPU, in the layout of ``torch.fft.fft2``.
        """
        return None

    def scaled(self, factor: float) -> Energy:
        """The model with its coupling multiplied by ``factor``, for annealing.

        Unless an energy says otherwise, the whole energy is multiplied.

        Raises:
            ValueError: If the factor is not one for which the law can be normalised.
        """
        return self if factor == 1 else Scaled(self, factor)

    def _check(self, x: Tensor) -> None:
        if tuple(x.shape[1:]) != self.event_shape:
            raise ValueError(
                f"{type(self).__name__} got fields of shape {tuple(x.shape[1:])}, "
                f"expected {self.event_shape} after the batch axis"
            )


class Scaled(Energy):
    """``factor * E(x)``: the same system at another temperature.

    Args:
        inner: The energy E.
        factor: Ratio of inverse temperatures, positive.

    Raises:
        ValueError: If the factor is not positive and finite.

    >>> from rgflow.energies import Phi4
    >>> model = Phi4(side=4, m2=-4.0, lam=6.0)
    >>> x = torch.ones(1, 1, 4, 4)
    >>> (model.scaled(0.5).energy(x) / model.energy(x)).item()
    0.5
    """

    def __init__(self, inner: Energy, factor: float) -> None:
        super().__init__(inner.event_shape)
        check_positive(factor=factor)
        self.inner = inner
        self.factor = factor

    @property
    def spectrum(self) -> Tensor | None:
        """That of E divided by the factor."""
        inner = self.inner.spectrum
        return None if inner is None else inner / self.factor

    def energy(self, x: Tensor) -> Tensor:
        """``factor * E(x)``, ``(B, *event_shape) -> (B,)``."""
        return self.factor * self.inner.energy(x)

    def force(self, x: Tensor) -> Tensor:
        """``factor`` times the force of E."""
        return self.factor * self.inner.force(x)


def check_side(side: int) -> None:
    """Raises ValueError for a lattice on which a site would be its own neighbour."""
    if side < 2:
        raise ValueError(f"side: got {side}, expected at least 2")


def check_finite(**values: float) -> None:
    """Raises ValueError, with the name, for a parameter that is infinite or not a number."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name}: got {value}, expected a finite number")


def check_positive(**values: float) -> None:
    """Raises ValueError, with the name, for a parameter that is not positive and finite."""
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name}: got {value}, expected a positive finite number")
