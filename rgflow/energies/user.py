"""Energies that users bring: any object with ``event_shape`` and ``energy(x)``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from rgflow.energies.base import Energy
from rgflow.energies.offers import is_outdated
from rgflow.energies.trial import try_out
from rgflow.runtime.counts import whole_numbers


def _passed_on(name: str) -> property:
    """A property of `UserEnergy`: what its object offers under the name, else the default."""

    def offered(self: UserEnergy) -> Any:
        value = self.offered(name)
        return getattr(super(UserEnergy, self), name) if value is None else value

    return property(offered, doc=f"What the object offers as ``{name}``, see `Energy`.")


class UserEnergy(Energy):
    """Gives a user's object the methods of an `Energy`; use `as_energy`, which also tries it.

    What the object offers under the names that `Energy` lists is used, unless its class inherits
    it from one with another energy. If the object is a module, it is registered, so that it moves
    to other devices with this one.

    Args:
        inner: Has ``event_shape`` and ``energy(x)``.

    Raises:
        ValueError: If one of them is missing or of the wrong kind.
    """

    spectrum = _passed_on("spectrum")
    gaussian = _passed_on("gaussian")
    even = _passed_on("even")
    translation_invariant = _passed_on("translation_invariant")
    physical = _passed_on("physical")
    cluster_hopping = _passed_on("cluster_hopping")
    sample = _passed_on("sample")

    def __init__(self, inner: Any) -> None:
        super().__init__(_event_shape(inner))
        if not callable(getattr(inner, "energy", None)):
            raise ValueError(
                f"{type(inner).__name__} has no method energy(x), expected one that gives (B,)"
            )
        self.inner = inner

    def offered(self, name: str) -> Any:
        """What the object itself has under a name of the list, None if it has nothing."""
        return None if is_outdated(type(self.inner), name) else getattr(self.inner, name, None)

    @property
    def log_z(self) -> float | None:
        """What the object offers as ``log_z``, see `Energy`."""
        value = self.offered("log_z")
        return super().log_z if value is None else float(value)

    def energy(self, x: Tensor) -> Tensor:
        """``E(x)``, ``(B, *event_shape) -> (B,)``."""
        return self.inner.energy(x)

    def force(self, x: Tensor) -> Tensor:
        """The object's own force, or the derivative of its energy."""
        force = self.offered("force")
        return super().force(x) if force is None else force(x)

    def exact_observables(self) -> Mapping[str, float]:
        """Exact values of rows of a report, by name, as far as the object knows them."""
        exact = self.offered("exact_observables")
        return super().exact_observables() if exact is None else exact()

    def exact_two_point(self) -> Tensor | None:
        """The object's exact two-point function along an axis, None if it has none."""
        exact = self.offered("exact_two_point")
        return super().exact_two_point() if exact is None else exact()

    def scaled(self, factor: float) -> Energy:
        """The object's own model with another coupling, or a multiple of its energy."""
        scaled = self.offered("scaled")
        if scaled is None or factor == 1:
            return super().scaled(factor)
        other = scaled(factor)
        return other if isinstance(other, Energy) else UserEnergy(other)


def as_energy(model: Any) -> Energy:
    """An `Energy` made of any object with ``event_shape`` and ``energy(x)``, tried once.

    The energy and its derivative are computed on a small random batch, on the CPU or where the
    object's own tensors are, if it is a module. Everything that it offers is tried as well: see
    `rgflow.energies.trial`.

    Args:
        model: An `Energy`, which is returned as it is, or another object, which is wrapped.

    Raises:
        ValueError: If an attribute is missing; if the energies of the batch are not ``(B,)``, not
            finite, cannot be differentiated, or depend on the other samples of the batch; if
            something that is offered, such as a force or a symmetry, does not fit the energy.

    >>> import torch
    >>> class Wells:
    ...     event_shape = (1, 4, 4)
    ...     def energy(self, x):
    ...         return (x**2 - 1).square().sum((1, 2, 3))
    >>> as_energy(Wells()).force(torch.ones(2, 1, 4, 4)).abs().max().item()
    0.0
    """
    energy = model if isinstance(model, Energy) else UserEnergy(model)
    try_out(energy, model)
    return energy


def _event_shape(model: Any) -> tuple[int, ...]:
    shape = getattr(model, "event_shape", None)
    return whole_numbers(f"{type(model).__name__}.event_shape", shape)
