"""Checks of energies: symmetries and the force."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from rgflow.testing.compare import SAMPLES, compare


def assert_symmetry(
    energy: Any,
    transform: Callable[[Tensor], Tensor],
    x: Tensor | None = None,
    tolerance: float = 1e-11,
) -> None:
    """Checks that an energy is invariant under a map of its fields: ``E(T x) = E(x)``.

    Args:
        energy: Object with ``event_shape`` and ``energy(x)``.
        transform: The map T of a batch of fields, such as ``lambda x: -x``.
        x: Batch of fields, ``(B, *event_shape)``; normal ones if None.
        tolerance: Largest difference allowed, relative where the number is above 1.

    Raises:
        AssertionError: If E(T x) differs from E(x), or if T leaves every field unchanged, so that
            nothing is tested.

    >>> from rgflow.energies import Ising
    >>> assert_symmetry(Ising(4), lambda x: -x)
    >>> assert_symmetry(Ising(4), lambda x: x.roll(1, -1))
    """
    energy, x = _energy_and_fields(energy, x)
    moved = transform(x)
    if torch.equal(moved, x):
        raise AssertionError(
            "transform: got the same fields back, expected a map that changes them, as the check "
            "says nothing otherwise"
        )
    what, wanted = f"{type(energy).__name__}.energy(transform(x))", "the energy of x"
    compare(energy.energy(moved), energy.energy(x), tolerance, tolerance, what, wanted)


def assert_force(energy: Any, x: Tensor | None = None, tolerance: float = 1e-10) -> None:
    """Checks that the force is ``-dE/dx``, by automatic differentiation and by finite differences.

    The finite difference is ``E(x + h n) - E(x - h n) = -2 h F(x) n`` along a random direction n,
    with ``h = 1e-5``; the two sides agree to ``1e-6`` of themselves, or to ``1e-9``.

    Args:
        energy: Object with ``event_shape`` and ``energy(x)``. Without a ``force(x)`` of its own,
            the derivative by automatic differentiation is checked against finite differences.
        x: Batch of fields, ``(B, *event_shape)``; normal ones if None.
        tolerance: Largest difference allowed of the force from minus the derivative by automatic
            differentiation, relative where that is above 1.

    Raises:
        AssertionError: If the force or the derivative is another.

    >>> from rgflow.energies import Phi4
    >>> assert_force(Phi4(4, -4.0, 6.0))
    """
    energy, x = _energy_and_fields(energy, x)
    name = type(energy).__name__
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy.energy(leaf).sum(), leaf)
    force = energy.force(x) if hasattr(energy, "force") else -gradient
    expected = "-dE/dx by automatic differentiation"
    compare(force, -gradient, tolerance, tolerance, f"{name}.force", expected)
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    step = 1e-5 * direction
    with torch.no_grad():
        difference = energy.energy(x + step) - energy.energy(x - step)
    work = -2 * (force * step).flatten(1).sum(1)
    expected = "that of the force along this step"
    compare(difference, work, 1e-9, 1e-6, f"change of {name}.energy by a step", expected)


def _energy_and_fields(energy: Any, x: Tensor | None) -> tuple[Any, Tensor]:
    """The energy and the fields of a check, in double precision."""
    if isinstance(energy, nn.Module):
        energy = deepcopy(energy).double()
    if x is None:
        generator = torch.Generator().manual_seed(1)
        shape = (SAMPLES, *energy.event_shape)
        x = torch.randn(shape, generator=generator, dtype=torch.float64) * 1.3
    return energy, x.detach().double()
