"""Energies that users bring: any object with ``event_shape`` and ``energy(x)``."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rgflow.energies.base import Energy

PROBE = 5
"""Fields in the random batch on which a user's energy is tried."""


class UserEnergy(Energy):
    """Gives a user's object the methods of an `Energy`; use `as_energy`, which also tries it.

    What the object has of ``force``, ``log_z`` and ``spectrum`` is used. If it is a module, it is
    registered, so that it moves with this one.

    Args:
        inner: Has ``event_shape`` and ``energy(x)``.

    Raises:
        ValueError: If one of them is missing or of the wrong kind.
    """

    def __init__(self, inner: Any) -> None:
        super().__init__(_event_shape(inner))
        if not callable(getattr(inner, "energy", None)):
            raise ValueError(f"{_name(inner)} has no method energy(x), expected one giving (B,)")
        self.inner = inner

    @property
    def log_z(self) -> float | None:
        """That of the object, None if it has none."""
        value = getattr(self.inner, "log_z", None)
        return None if value is None else float(value)

    @property
    def spectrum(self) -> Tensor | None:
        """That of the object, None if it has none."""
        return getattr(self.inner, "spectrum", None)

    def energy(self, x: Tensor) -> Tensor:
        """``E(x)``, ``(B, *event_shape) -> (B,)``."""
        self._check(x)
        return self.inner.energy(x)

    def force(self, x: Tensor) -> Tensor:
        """That of the object, or the derivative of its energy."""
        force = getattr(self.inner, "force", None)
        return super().force(x) if force is None else force(x)


def as_energy(model: Any) -> Energy:
    """An `Energy` made of any object with ``event_shape`` and ``energy(x)``, tried once.

    The energy is computed on a small random batch, on the CPU or where the object's own tensors
    are, if it is a module.

    Args:
        model: An `Energy`, which is returned as it is, or another object to be wrapped.

    Raises:
        ValueError: If an attribute is missing, or if the energies of the batch are not ``(B,)``
            or not finite.

    >>> class Wells:
    ...     event_shape = (1, 4, 4)
    ...     def energy(self, x):
    ...         return (x**2 - 1).square().sum((1, 2, 3))
    >>> as_energy(Wells()).force(torch.ones(2, 1, 4, 4)).abs().max().item()
    0.0
    """
    energy = model if isinstance(model, Energy) else UserEnergy(model)
    _try_out(energy, _name(model))
    return energy


def _event_shape(model: Any) -> tuple[int, ...]:
    shape = getattr(model, "event_shape", None)
    if not isinstance(shape, list | tuple) or not all(isinstance(n, int) for n in shape):
        raise ValueError(
            f"{_name(model)}.event_shape: got {shape!r}, expected integers such as (1, 8, 8)"
        )
    return tuple(shape)


def _name(model: Any) -> str:
    return type(model).__name__


def _try_out(energy: Energy, name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((PROBE, *energy.event_shape), generator=generator).to(_device(energy))
    with torch.no_grad():
        values = energy.energy(x)
    got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
    if got != (PROBE,):
        raise ValueError(f"{name}.energy: got {got} for a batch of {PROBE}, expected ({PROBE},)")
    if not values.isfinite().all():
        raise ValueError(
            f"{name}.energy: got {values.tolist()} for normal fields, expected finite"
        )


def _device(module: nn.Module) -> torch.device:
    tensors = [*module.parameters(), *module.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")
