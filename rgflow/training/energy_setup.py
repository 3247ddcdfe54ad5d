"""What training asks of a target: symmetries, a coupling to anneal, a Gaussian part."""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from rgflow.bijectors import CirculantRoot
from rgflow.conditioners.lattice import Equivariant
from rgflow.energies import Energy
from rgflow.energies.symmetries import (
    is_even,
    is_phase_invariant,
    is_square_invariant,
    is_translation_invariant,
)
from rgflow.flow import Flow

ANNEALING_STAGES = 50


def translated(x: Tensor, generator: torch.Generator) -> Tensor:
    """Moves each field by a random number of sites along each axis, ``(B, C, H, W)``."""
    batch, channels, height, width = x.shape
    rows, columns = (
        (
            torch.arange(side, device=x.device)
            + torch.randint(side, (batch, 1), generator=generator, device=x.device)
        )
        % side
        for side in (height, width)
    )
    at = torch.arange(batch, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[:, None, None]
    return x[at, channel, rows[:, None, :, None], columns[:, None, None, :]]


class Annealing:
    """The target with a coupling that grows, in stages, over the first steps.

    At step t of n its factor is ``f + (1 - f) s / S`` in stage ``s = floor(t S / n)`` of S = 50.

    Args:
        energy: The energy at its full coupling.
        start: Factor f on the coupling at the first step; 1 for no annealing.
        steps: Steps n until the coupling is full; 0 for no annealing.

    Raises:
        ValueError: If a number is out of its range, or only one of both is given, which alone
            would do nothing.
    """

    def __init__(self, energy: Energy, start: float, steps: int) -> None:
        if not 0 < start < math.inf:
            raise ValueError(f"training.anneal_from: got {start}, expected a positive number")
        if steps < 0:
            raise ValueError(f"training.anneal_steps: got {steps}, expected at least 0")
        if start != 1 and not steps:
            raise ValueError(
                f"training.anneal_steps: got 0 with anneal_from={start}, expected at least 1"
            )
        if start == 1 and steps:
            raise ValueError(
                f"training.anneal_from: got 1 with anneal_steps={steps}, expected another factor"
            )
        self.energy = energy
        self.start = start
        self.steps = steps
        self._scaled = lru_cache(maxsize=2)(energy.scaled)

    def is_over(self, step: int) -> bool:
        """Whether the coupling is full at that step."""
        return step >= self.steps

    def at(self, step: int) -> Energy:
        """The energy at the coupling of that step."""
        if self.is_over(step):
            return self.energy
        stage = step * ANNEALING_STAGES // self.steps
        return self._scaled(self.start + (1 - self.start) * stage / ANNEALING_STAGES)


def check_symmetries(
    flow: Flow, energy: Energy, *, even: bool, translations: bool, phases: bool = False
) -> None:
    """Refuse symmetries of the flow, or of what it is trained on, that the energy has not.

    Args:
        flow: The flow, whose density is even by mixture, by its couplings, or not at all, and
            may be averaged over the symmetries of the square.
        energy: The target.
        even: Whether training takes the energy for even.
        translations: Whether it takes it for invariant under translations.
        phases: Whether it takes it for invariant under a turn of all phases.

    Raises:
        ValueError: If the energy has not one of them.
    """
    symmetric = flow.z2 or any(isinstance(module, Equivariant) for module in flow.modules())
    if (even or symmetric) and not is_even(energy):
        got = "flow.symmetry: got mixture or equivariant" if symmetric else "training.z2: got true"
        raise ValueError(
            f"{got} for an energy whose E(-x) is not E(x), expected training.z2=false with "
            "flow.symmetry=none"
        )
    if flow.square and not is_square_invariant(energy):
        raise ValueError(
            "flow.average: got square for an energy that changes when the lattice is turned or "
            "transposed, expected none"
        )
    if translations and not is_translation_invariant(energy):
        raise ValueError(
            "training.translations: got true for an energy that changes when the field is moved "
            "by a site, expected false"
        )
    if phases and not is_phase_invariant(energy):
        raise ValueError(
            "training.phases: got true for an energy without two channels whose phases can be "
            "turned at no cost, expected false, or null to find out"
        )


def match_spectrum(flow: Flow, energy: Energy) -> None:
    """Give the Fourier map of a flow, if it has one, the spectrum of the energy's Gaussian part.

    For an energy without such a part a learnable map stays as it is: that of white noise.

    Raises:
        ValueError: If the map is fixed but the energy has no Gaussian part.
    """
    for module in flow.modules():
        if isinstance(module, CirculantRoot):
            if energy.spectrum is None:
                if isinstance(module.log_spectrum, nn.Parameter):
                    continue
                raise ValueError(
                    f"flow.fourier: {type(energy).__name__} has no Gaussian part, expected "
                    "fourier=none, fourier=learnable, or an energy with a spectrum"
                )
            module.set_spectrum(energy.spectrum)


@torch.no_grad()
def find_faults(
    flow: Flow, energy: Energy, sizes: Sequence[int], generator: torch.Generator
) -> str | None:
    """Says for how many finite fields of a flow the energy or its force is not finite.

    Args:
        flow: Draws the fields.
        energy: The energy.
        sizes: Sizes of the batches that are drawn.
        generator: Draws the latents.

    Returns:
        None if energy and force are finite wherever the field is.
    """
    faults = fields = 0
    with torch.autocast(generator.device.type, enabled=False):
        for size in sizes:
            x = flow.sample(size, generator=generator)
            x = x[x.flatten(1).isfinite().all(1)]
            is_right = energy.energy(x).isfinite() & energy.force(x).flatten(1).isfinite().all(1)
            faults, fields = faults + int((~is_right).sum()), fields + len(x)
    if not faults:
        return None
    return (
        f"the energy or its force is not finite for {faults} of {fields} finite fields of the "
        "flow, expected a number for every field: give a large energy in place of an infinite one"
    )
