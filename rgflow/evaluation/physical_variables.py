"""What the field of an energy stands for: Ising spins, the angles of the XY model, or itself."""

import torch
from torch import Tensor

from rgflow.energies import XY, Energy, Ising
from rgflow.plotting.fields import Kind


def kind_of(energy: Energy) -> Kind:
    """What a physicist measures on states of this energy.

    >>> kind_of(Ising(side=4))
    'spins'
    """
    if isinstance(energy, Ising):
        return "spins"
    return "angles" if isinstance(energy, XY) else "field"


def spins_of(energy: Energy, x: Tensor, generator: torch.Generator) -> Tensor:
    """The variables that have the physical magnetization and two-point function.

    Of `Ising` spins of +1 and -1, one draw given the field; of `XY` the unit vectors
    ``(cos theta, sin theta)``; of any other energy the field itself.

    Args:
        energy: The energy.
        x: ``(n, C, L, L)``.
        generator: Of Ising spins.

    Returns:
        ``(n, 1, L, L)``, for `XY` ``(n, 2, L, L)``, otherwise x.
    """
    if isinstance(energy, Ising):
        return energy.spins(x, generator)
    return unit_vectors(energy, x) if isinstance(energy, XY) else x


def unit_vectors(energy: XY, x: Tensor) -> Tensor:
    """``(cos theta, sin theta)`` of a field, ``(n, 1, L, L) -> (n, 2, L, L)``."""
    angles = energy.angles(x)
    return torch.cat([angles.cos(), angles.sin()], 1)
