"""Symmetries of an energy, found out by trying it on random fields."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

PROBES = 4
"""Fields of white noise, and as many shifted by one: of a tilt the sites then add up."""
TOLERANCE = 1e-9
"""Of differences, relative to the largest energy."""
ROUGH = 1e-4
"""The same where the energy computes in single precision, whatever the type of its result."""


class _Energy(Protocol):
    event_shape: tuple[int, ...]

    def energy(self, x: Tensor) -> Tensor: ...


def is_even(energy: _Energy) -> bool:
    """Whether ``E(-x) = E(x)`` on a few random fields.

    >>> from rgflow.energies import Ising
    >>> is_even(Ising(side=4))
    True
    """
    return _is_unchanged(energy, torch.neg)


def is_translation_invariant(energy: _Energy) -> bool:
    """Whether a few random fields keep their energy when moved by a site along each axis.

    >>> from rgflow.energies import Ising
    >>> is_translation_invariant(Ising(side=4))
    True
    """
    return all(_is_unchanged(energy, lambda x, axis=axis: x.roll(1, axis)) for axis in (-2, -1))


@torch.no_grad()
def _is_unchanged(energy: _Energy, moved: Callable[[Tensor], Tensor]) -> bool:
    x = probe_fields(energy, PROBES)
    x = torch.cat([x, x + 1])
    try:
        before, after = energy.energy(x.double()), energy.energy(moved(x.double()))
    except (RuntimeError, TypeError):  # networks and some devices have single precision alone
        before, after = energy.energy(x), energy.energy(moved(x))
    tolerance = ROUGH if _is_single(energy, x, before) else TOLERANCE
    known = before.isfinite() | after.isfinite()
    before, after = before[known], after[known]
    scale = before.abs().nan_to_num(1.0, 1.0).max().clamp_min(1) if len(before) else 1.0
    return bool(((before - after).abs() <= tolerance * scale).all())


def _is_single(energy: _Energy, x: Tensor, values: Tensor) -> bool:
    """Whether these values, of x in double precision, are those of x in single precision."""
    if values.dtype != torch.float64:
        return True
    try:
        return torch.equal(values, energy.energy(x).double())
    except (RuntimeError, TypeError):  # an energy in double precision alone
        return False


def probe_fields(energy: _Energy, count: int, generator: torch.Generator | None = None) -> Tensor:
    """White noise ``(count, *event_shape)`` in float32, on the device of the energy's tensors.

    Args:
        energy: Whose fields.
        count: How many.
        generator: Of the CPU, whose stream is the same everywhere; None for always the same.
    """
    generator = generator or torch.Generator().manual_seed(0)
    x = torch.randn((count, *energy.event_shape), generator=generator, dtype=torch.float32)
    tensors = [*energy.parameters(), *energy.buffers()] if isinstance(energy, nn.Module) else []
    return x.to(tensors[0].device) if tensors else x
