"""What an objective is given, what it returns, and what it says of itself."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from rgflow.energies import Energy
    from rgflow.flow import Flow


@dataclass(frozen=True)
class Batch:
    """What one step gives to an objective, in each process.

    Attributes:
        size: Number of samples, B.
        generator: Source of all random numbers of the step, on the flow's device. It is seeded by
            the run's seed, the process and the step, so that a resumed run goes on exactly.
        draw: Draws B states of the target with a generator.
    """

    size: int
    generator: torch.Generator
    draw: Callable[[torch.Generator], Tensor]

    def states(self) -> Tensor:
        """States of the target, ``(B, *event_shape)``, drawn anew by each call.

        They are images with dequantization noise, or, for an energy, Monte-Carlo states that were
        moved by its symmetries.
        """
        return self.draw(self.generator)


class Loss(NamedTuple):
    """The result of an objective for one batch.

    Attributes:
        nats: What is minimised, ``()``, in nats per sample.
        metrics: What the curves show as ``train/NAME``, each ``()`` and without a graph.
    """

    nats: Tensor
    metrics: dict[str, Tensor]


class Objective(ABC):
    """What training minimises.

    Attributes:
        monitor: Name of the number of a validation whose smallest value marks the best
            checkpoint. On an energy a validation gives ``free_energy_bound``, ``kl_nats`` where
            ln Z is known, and with states of the target ``cross_entropy``; on images it gives
            ``bits_per_dim``.
        needs_states: Whether it learns from states of the target.
    """

    monitor: str
    needs_states: bool = False

    @abstractmethod
    def loss(self, flow: "Flow", energy: "Energy | None", batch: Batch) -> Loss:
        """The loss of one batch.

        Args:
            flow: q. It is called, not asked for ``log_prob``, where a compiled or a distributed
                wrapper of it is to take effect.
            energy: E of the target ``p = exp(-E) / Z``, at this step's coupling; None for images.
            batch: Number of samples, random numbers, and states of the target.
        """

    def monitored(self, numbers: Mapping[str, float]) -> float:
        """The number called `monitor`, from those of a validation.

        Raises:
            ValueError: If a validation does not give it.
        """
        if self.monitor not in numbers:
            raise ValueError(
                f"objective: got {type(self).__name__}, which is judged by {self.monitor}, "
                f"expected one that is judged by what this training measures: {', '.join(numbers)}"
            )
        return numbers[self.monitor]
