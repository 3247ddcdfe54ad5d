"""Markov chains of a target that can be made longer."""

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.energies import Energy
from rgflow.montecarlo.methods import best_method, prepared
from rgflow.montecarlo.tuned_chains import Advance
from rgflow.runtime.progress import progress
from rgflow.runtime.seeds import generator_for

PART = 16
"""States of each chain that are drawn between two looks at the clock."""


def until(end: float, sizes: Iterable[int]) -> Iterator[int]:
    """The first size, and the next ones as long as `time.perf_counter` is not past the end."""
    for i, size in enumerate(sizes):
        if i > 0 and time.perf_counter() > end:
            return
        yield size


class Reference(NamedTuple):
    """Markov chains, or independent samples, of a target.

    Attributes:
        samples: Fields, ``(T, B, C, L, L)``, float32 on the CPU.
        energies: ``E`` of the samples, ``(T, B)``, float64.
        method: ``exact`` (independent samples), ``cluster``, ``hmc``, ``metropolis``,
            ``latent_hmc`` or ``hybrid``.
        acceptance: Mean acceptance probability; 1 where nothing is rejected.
        seconds: Wall time in which these states were drawn.
        warmup_seconds: Wall time before the first of them.
        device: The device on which they were drawn.
    """

    samples: Tensor
    energies: Tensor
    method: str
    acceptance: float
    seconds: float
    warmup_seconds: float
    device: str = "cpu"


class GrowingChains:
    """Markov chains, or independent samples, of a target that can be made longer.

    Args:
        energy: The target; it is copied to the CPU.
        chains: B.
        method: The name of the sampler.
        prepare: Builds the sampler from a copy of the energy on the CPU, and brings it to
            equilibrium.
        device: Where it draws, as the report says.

    Attributes:
        count: B.

    Raises:
        ValueError: If there is no chain, or the sampler does not work.
    """

    def __init__(
        self,
        energy: Energy,
        chains: int,
        method: str,
        prepare: Callable[[Energy], Advance],
        device: str = "cpu",
    ) -> None:
        if chains < 1:
            raise ValueError(f"got chains={chains}, expected at least 1")
        self.count = chains
        self._energy = copy.deepcopy(energy).cpu()
        self._method, self._device = method, device
        self._parts: list[tuple[Tensor, Tensor]] = []
        self._acceptance, self._seconds = 0.0, 0.0
        start = time.perf_counter()
        with torch.no_grad():
            self._advance = prepare(self._energy)
        self._warmup_seconds = time.perf_counter() - start

    @classmethod
    def by_method(cls, energy: Energy, chains: int, seed: int, method: str) -> "GrowingChains":
        """The sampler of that name, or the best one for ``auto``, see `reference_samples`."""
        method = best_method(energy) if method == "auto" else method
        generator = generator_for("reference", seed)
        return cls(energy, chains, method, lambda e: prepared(e, method, chains, generator))

    def extend(self, states: int, end: float = math.inf) -> int:
        """Make each chain longer by that number of states.

        Args:
            states: Number of states.
            end: No further part is drawn once `time.perf_counter` is past it.

        Returns:
            The number of states that were drawn.

        Raises:
            ValueError: If the number is not positive, or states have energies that are not finite.
        """
        if states < 1:
            raise ValueError(f"got states={states}, expected at least 1")
        sizes = [min(PART, states - done) for done in range(0, states, PART)]
        return self.extend_in_parts(sizes if math.isinf(end) else until(end, sizes))

    @torch.no_grad()
    def extend_in_parts(self, sizes: Iterable[int]) -> int:
        """The same, by numbers of states that are drawn at a time; gives their sum.

        Raises:
            ValueError: If states have energies that are not finite.
        """
        begin = time.perf_counter()
        fields = []
        for size in progress(sizes, "batches of states"):
            part, acceptance = self._advance(size)
            fields.append(part.float())
            self._acceptance += acceptance * len(part)
        samples = torch.cat(fields)
        self._seconds += time.perf_counter() - begin
        # the energies are those of the fields as they are stored
        energies = torch.stack([self._energy.energy(x).double() for x in samples])
        bad = int((~energies.isfinite()).sum())
        if bad:
            raise ValueError(f"got {bad} of {energies.numel()} states whose energy is not finite")
        self._parts.append((samples, energies))
        return len(samples)

    def reference(self) -> Reference:
        """All states so far."""
        samples, energies = (torch.cat(column) for column in zip(*self._parts, strict=True))
        self._parts = [(samples, energies)]
        return Reference(
            samples,
            energies,
            self._method,
            self._acceptance / len(samples),
            self._seconds,
            self._warmup_seconds,
            self._device,
        )
