"""States of a target by Monte Carlo: for comparison, to train on, and to validate with."""

import logging
import math

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.lattice.phases import turned_phases
from rgflow.montecarlo.reference import Reference, reference_samples
from rgflow.runtime.seeds import derived_seed
from rgflow.training.energy_setup import translated

log = logging.getLogger(__name__)

CHAINS = 64


class TargetStates:
    """Three sets of states, each drawn at its first use.

    The states that are trained on are neither those of the report, whose bound would otherwise be
    that of training data, nor those of validation, which choose the best checkpoint.

    Args:
        energy: The target.
        number: Number of states for comparison, and at least of those to train on; 0 for none.
        held_out: Number of states to validate with, at most.
        seed: Seed of all states.
        even: Whether training may turn the sign of a state.
        translations: Whether training may move a state over the lattice.
        phases: Whether training may turn all phases of a state, a complex field.

    Attributes:
        error: Why there are no states for comparison, or None.

    Raises:
        ValueError: If the number is 1 or negative.
    """

    def __init__(
        self,
        energy: Energy,
        number: int,
        held_out: int,
        seed: int,
        *,
        even: bool,
        translations: bool,
        phases: bool = False,
    ) -> None:
        if number < 0 or number == 1:
            raise ValueError(
                f"training.reference_states: got {number}, expected 0 for none, or at least 2"
            )
        self.energy, self.number, self.seed = energy, number, seed
        self.held_out_number = min(number, held_out)
        self.even, self.translations, self.phases = even, translations, phases
        self.error: str | None = None
        self._reference: Reference | None = None
        self._training: Tensor | None = None
        self._held_out: Tensor | None = None

    def reference(self) -> Reference | None:
        """States for comparison; None if none are wanted or, with a warning, if there are none."""
        if self._reference is None and self.error is None and self.number:
            try:
                self._reference = self._draw(self.seed, self.number)
            except ValueError as error:
                log.warning("no comparison with Monte Carlo: %s", error)
                log.debug("the error in full", exc_info=True)
                self.error = str(error)
        return self._reference

    def prepare(self) -> None:
        """Draw the states that are trained on and validated with, unless they are there.

        Raises:
            ValueError: If Monte Carlo fails on the energy.
        """
        if self._training is None:
            training, held_out = (
                self._draw(derived_seed(f"{use} states", self.seed), number).samples.flatten(0, 1)
                for use, number in (
                    ("training", self.number),
                    ("validation", self.held_out_number),
                )
            )
            self._training, self._held_out = training, held_out[: self.held_out_number]

    def batch(self, n: int, generator: torch.Generator) -> Tensor:
        """Random states to train on, moved by the target's symmetries, on the generator's device.

        Raises:
            ValueError: See `prepare`.
        """
        self.prepare()
        device = generator.device
        chosen = torch.randint(len(self._training), (n,), generator=generator, device=device)
        x = self._training[chosen.to(self._training.device)].to(device)
        if self.translations:
            x = translated(x, generator)
        if self.even:
            uniform = torch.rand(n, generator=generator, device=device)
            x = x * torch.where(uniform < 0.5, -1.0, 1.0).view(-1, 1, 1, 1)
        if self.phases:
            turns = torch.rand(n, generator=generator, device=device)
            x = turned_phases(x, 2 * math.pi * turns)
        return x

    def held_out(self, part: int, parts: int) -> Tensor:
        """A part of the states to validate with.

        Raises:
            ValueError: See `prepare`.
        """
        self.prepare()
        return self._held_out[part::parts]

    def _draw(self, seed: int, number: int) -> Reference:
        chains = min(CHAINS, number)
        try:
            return reference_samples(
                self.energy, chains=chains, states=-(-number // chains), seed=seed
            )
        except (ValueError, RuntimeError, ArithmeticError) as error:  # of a user's energy as well
            raise ValueError(f"no Monte-Carlo states of the energy: {error}") from error
