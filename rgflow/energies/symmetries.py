"""Symmetries of an energy: what it declares, or what trying it on random fields finds."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from rgflow.lattice.phases import turned_phases
from rgflow.lattice.square import square_image

PROBES = 4
"""Fields of white noise. As many are these plus one, on which the effects of a tilt add up over
the sites."""
TOLERANCE = 1e-9
"""Largest difference between energies that count as equal, relative to the largest energy."""
ROUGH = 1e-4
"""The same where the energy computes in single precision, whatever the type of its result."""


class HasEnergy(Protocol):
    """What can be tried: an event shape and an energy."""

    event_shape: tuple[int, ...]

    def energy(self, x: Tensor) -> Tensor:
        """``E(x)``, ``(B, *event_shape) -> (B,)``."""
        ...


def is_even(energy: HasEnergy) -> bool:
    """Whether ``E(-x) = E(x)``: what the energy declares as ``even``, else on random fields.

    >>> from rgflow.energies import Ising
    >>> is_even(Ising(side=4))
    True
    """
    declared = getattr(energy, "even", None)
    return seems_even(energy) if declared is None else declared


def is_translation_invariant(energy: HasEnergy) -> bool:
    """Whether the energy is the same for a field that is moved by a site along either axis.

    That is what the energy declares as ``translation_invariant``, else what random fields tell.

    >>> from rgflow.energies import Ising
    >>> is_translation_invariant(Ising(side=4))
    True
    """
    declared = getattr(energy, "translation_invariant", None)
    return seems_translation_invariant(energy) if declared is None else declared


def seems_even(energy: HasEnergy) -> bool:
    """Whether a few random fields have the energies of their negatives."""
    return agree_on_probes(energy, lambda x: energy.energy(-x))


def seems_translation_invariant(energy: HasEnergy) -> bool:
    """Whether a few random fields keep their energies when they are moved by a site."""
    return all(
        agree_on_probes(energy, lambda x, axis=axis: energy.energy(x.roll(1, axis)))
        for axis in (-2, -1)
    )


def is_square_invariant(energy: HasEnergy) -> bool:
    """Whether a few random fields keep their energies when the lattice is turned or transposed.

    >>> from rgflow.energies import Ising
    >>> is_square_invariant(Ising(side=4))
    True
    """
    return all(
        agree_on_probes(energy, lambda x, image=image: energy.energy(square_image(x, image)))
        for image in (1, 4)  # which generate all eight
    )


def is_phase_invariant(energy: HasEnergy) -> bool:
    """Whether a few random fields of two channels keep their energies when all phases are turned.

    >>> from rgflow.energies import ComplexPhi4, Phi4
    >>> is_phase_invariant(ComplexPhi4(4, t=1.0, mu=-2.0, lam=1.0))
    True
    >>> is_phase_invariant(Phi4(4, m2=-4.0, lam=6.0))
    False
    """
    if len(energy.event_shape) != 3 or energy.event_shape[0] != 2:
        return False
    angle = torch.tensor(0.7, dtype=torch.float64)
    return agree_on_probes(energy, lambda x: energy.energy(turned_phases(x, angle)))


@torch.no_grad()
def agree_on_probes(energy: HasEnergy, other: Callable[[Tensor], Tensor]) -> bool:
    """Whether a second way gives the energies of a few random fields, up to rounding.

    Fields for which both energies are not finite are passed over.

    Args:
        energy: What is tried, in double precision where it can compute in it.
        other: The second way, ``(B, *event_shape) -> (B,)``.
    """
    x = probe_fields(energy, PROBES)
    x = torch.cat([x, x + 1])
    try:
        one, two = energy.energy(x.double()), other(x.double())
    except (RuntimeError, TypeError):  # networks and some devices have single precision alone
        one, two = energy.energy(x), other(x)
    tolerance = ROUGH if _is_single(energy, x, one) else TOLERANCE
    known = one.isfinite() | two.isfinite()
    one, two = one[known], two[known]
    scale = one.abs().nan_to_num(1.0, 1.0).max().clamp_min(1) if len(one) else 1.0
    return bool(((one - two).abs() <= tolerance * scale).all())


def _is_single(energy: HasEnergy, x: Tensor, values: Tensor) -> bool:
    """Whether these values, of x in double precision, are those of x in single precision."""
    if values.dtype != torch.float64:
        return True
    try:
        return torch.equal(values, energy.energy(x).double())
    except (RuntimeError, TypeError):  # an energy in double precision alone
        return False


def probe_fields(
    energy: HasEnergy, count: int, generator: torch.Generator | None = None
) -> Tensor:
    """White noise ``(count, *event_shape)`` in float32, on the device of the energy's tensors.

    Args:
        energy: The energy that the fields are for.
        count: Number of fields.
        generator: Source of the noise, on the CPU, whose stream is the same everywhere; always
            the same fields if None.
    """
    generator = generator or torch.Generator().manual_seed(0)
    x = torch.randn((count, *energy.event_shape), generator=generator, dtype=torch.float32)
    tensors = [*energy.parameters(), *energy.buffers()] if isinstance(energy, nn.Module) else []
    return x.to(tensors[0].device) if tensors else x
