"""What the fields of an energy stand for, as tensors that have a magnetization."""

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.energies.physical import Kind, unit_vectors


def kind_of(energy: Energy) -> Kind:
    """What a physicist measures on states of this energy.

    >>> from rgflow.energies import Ising
    >>> kind_of(Ising(side=4))
    'spins'
    """
    return "field" if energy.physical is None else energy.physical.kind


def configurations(energy: Energy, x: Tensor, generator: torch.Generator) -> Tensor:
    """The physical variables of fields: spins, angles, or the fields themselves.

    Args:
        energy: The energy.
        x: Fields, ``(n, C, H, W)``.
        generator: Source of spins that are drawn given the field.

    Returns:
        ``(n, C', H, W)``, with one channel for spins and angles.
    """
    return x if energy.physical is None else energy.physical.draw(x, generator)


def vectors(energy: Energy, x: Tensor, generator: torch.Generator) -> Tensor:
    """`configurations` as vectors with a mean, which has two channels for angles.

    They have the physical magnetization and two-point function: angles become
    ``(cos theta, sin theta)``.
    """
    v = configurations(energy, x, generator)
    return unit_vectors(v) if kind_of(energy) == "angles" else v
