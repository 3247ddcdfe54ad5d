"""Energies that users bring: any object with ``event_shape`` and ``energy(x)``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rgflow.energies.base import Energy
from rgflow.energies.symmetries import probe_fields

PROBE = 5
"""Fields in the random batch on which a user's energy is tried."""
FORCE_TOLERANCE = 1e-2
"""Largest difference of a force from the derivative, relative to the largest component."""


class UserEnergy(Energy):
    """Gives a user's object the methods of an `Energy`; use `as_energy`, which also tries it.

    What the object has of ``force``, ``log_z`` and ``spectrum`` is used, and ``sample(n,
    generator)`` as a source of exact states. If it is a module, it is registered, so that it moves
    with this one.

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

    The energy and its derivative are computed on a small random batch, on the CPU or where the
    object's own tensors are, if it is a module. So is what else it has of ``force``, ``log_z``,
    ``spectrum`` and ``sample``.

    Args:
        model: An `Energy`, which is returned as it is, or another object to be wrapped.

    Raises:
        ValueError: If an attribute is missing; if the energies of the batch are not ``(B,)``, not
            finite, or cannot be differentiated; if a force is not minus the derivative, or one of
            the others is not what this package takes it for.

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
    x = probe_fields(energy, PROBE)
    with torch.no_grad():
        values = _tried(f"{name}.energy", energy.energy, x)
    got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
    if got != (PROBE,):
        raise ValueError(f"{name}.energy: got {got} for a batch of {PROBE}, expected ({PROBE},)")
    if not values.isfinite().all():
        raise ValueError(
            f"{name}.energy: got {values.tolist()} for normal fields, expected finite"
        )
    slope = _tried(f"{name}.energy, differentiated", lambda x: -Energy.force(energy, x), x)
    if not slope.isfinite().all() or not slope.any():
        kind = "zero" if not slope.any() else "not finite"
        raise ValueError(
            f"{name}.energy: got a derivative that is {kind}, expected a function of x that torch "
            "can differentiate"
        )
    _try_force(energy, name, x, slope)
    _try_constants(energy, name)
    _try_sampler(energy, name, x)


def _try_force(energy: Energy, name: str, x: Tensor, slope: Tensor) -> None:
    force = _tried(f"{name}.force", energy.force, x)
    if not isinstance(force, Tensor) or force.shape != x.shape:
        got = tuple(force.shape) if isinstance(force, Tensor) else type(force).__name__
        raise ValueError(f"{name}.force: got {got}, expected the shape of x, {tuple(x.shape)}")
    if not (force + slope).abs().max() <= FORCE_TOLERANCE * slope.abs().max():
        at = (force + slope).abs().argmax()
        raise ValueError(
            f"{name}.force: got {float(force.flatten()[at]):.4g} where -dE/dx is "
            f"{-float(slope.flatten()[at]):.4g}, expected minus the derivative of the energy"
        )


def _try_constants(energy: Energy, name: str) -> None:
    log_z = _tried(f"{name}.log_z", lambda: energy.log_z)
    if log_z is not None and not math.isfinite(log_z):
        raise ValueError(f"{name}.log_z: got {log_z}, expected a finite number or None")
    spectrum = _tried(f"{name}.spectrum", lambda: energy.spectrum)
    shape = energy.event_shape[-2:]
    if spectrum is not None and not (
        isinstance(spectrum, Tensor)
        and tuple(spectrum.shape) == shape
        and ((spectrum > 0) & spectrum.isfinite()).all()
        and torch.allclose(spectrum, spectrum.flip(0, 1).roll((1, 1), (0, 1)), rtol=1e-4)
    ):
        raise ValueError(
            f"{name}.spectrum: expected a positive tensor of shape {shape}, the same at k and -k, "
            "or None: the variance of each Fourier mode"
        )


def _try_sampler(energy: Energy, name: str, like: Tensor) -> None:
    sample = own_sampler(energy)
    if sample is None:
        return
    expected = f"expected sample(n, generator) to give n exact states {energy.event_shape}"
    generator = torch.Generator(like.device).manual_seed(0)
    try:
        drawn = sample(2, generator)
    except Exception as error:
        raise ValueError(f"{name}.sample: {_of(error)}, {expected}, or no such method") from error
    got = tuple(drawn.shape) if isinstance(drawn, Tensor) else type(drawn).__name__
    if got != (2, *energy.event_shape):
        raise ValueError(f"{name}.sample: got {got} for n = 2, {expected}, or no such method")


def own_sampler(energy: Energy) -> Callable[..., Tensor] | None:
    """``sample(n, generator)`` of an energy that has it, its exact sampler, or None."""
    model = energy.inner if isinstance(energy, UserEnergy) else energy
    return getattr(model, "sample", None)


def _tried(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The value, or a ValueError that says what raised."""
    try:
        return function(*arguments)
    except Exception as error:  # of code that is not ours
        raise ValueError(f"{what}: {_of(error)}") from error


def _of(error: Exception) -> str:
    return f"got {type(error).__name__}: {error}"
