"""What a coupling and its conditioner must offer to be differentiated by hand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

Halves = tuple[Tensor, Tensor]


class Perceptron(NamedTuple):
    """What a plain perceptron is beside its parameters, matrices and then biases.

    Attributes:
        widths: Features in front of the first map and behind each.
        activations: Names of the functions in between.
    """

    widths: tuple[int, ...]
    activations: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """How many there are."""
        return sum((columns + 1) * rows for columns, rows in pairwise(self.widths))


class ExplicitNet(nn.Module, ABC):
    """A net with a hand-written gradient, so that a chain of couplings can be one function.

    What the net needs beside its input is prepared for all nets of a chain that are alike at
    once: a small operation costs as much as a small product.

    Attributes:
        outputs: Features given.
        batch_innermost: Whether it is faster on tensors ``(N, features)`` whose N is innermost in
            memory.
        kind: Equal for nets that are alike.
        perceptrons: If the net is made of plain perceptrons that read the same and share the
            outputs evenly, these, in the order of ``tensors``.
    """

    radius = 0
    outputs: int
    batch_innermost: bool
    kind: Hashable
    perceptrons: tuple[Perceptron, ...] = ()

    @abstractmethod
    def tensors(self) -> list[Tensor]:
        """All parameters, in the order of the other methods."""

    @abstractmethod
    def prepare(
        self, tensors: Sequence[Sequence[Tensor]], dtype: torch.dtype
    ) -> tuple[list[Tensor], list[Tensor]]:
        """What ``evaluate`` wants of nets of this kind, and what ``collect`` wants beside.

        Args:
            tensors: Of each net.
            dtype: Of the nets' inputs.

        Returns:
            Tensors whose first axis is that of the nets, and any others.
        """

    @abstractmethod
    def evaluate(self, x: Tensor, ready: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The output, in the type of x, and what ``pull_back`` needs.

        Args:
            x: ``(N, inputs, ...)``.
            ready: The net's own part of what was prepared.
        """

    @abstractmethod
    def pull_back(
        self, grad: Tensor, ready: Sequence[Tensor], kept: Sequence[Tensor], of_ready: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """Gradients in x and, if asked for, in ``ready``, else an empty list."""

    @abstractmethod
    def collect(self, of_ready: Sequence[Tensor], aside: Sequence[Tensor]) -> list[Tensor]:
        """Gradients in the tensors of all nets, the first axis that of the nets.

        Args:
            of_ready: From ``pull_back``, stacked over the nets.
            aside: The second of what ``prepare`` returned.
        """

    def run(self, x: Tensor) -> Tensor:
        """The output in plain operations, which autograd follows."""
        ready, _ = self.prepare([self.tensors()], x.dtype)
        return self.evaluate(x, [tensor[0] for tensor in ready])[0]


class ExplicitCoupling(Protocol):
    """A coupling whose map and conditioner have hand-written gradients.

    Attributes:
        read_half: Index of the half that is read, 0 or 1; the other one is changed.
        event_shape: Shapes of the halves without the batch axis.
        conditioner: The net.
        affine_bound: The largest absolute log-scale if the map is the affine one, else None.
    """

    read_half: int
    event_shape: tuple[tuple[int, ...], tuple[int, ...]]
    conditioner: ExplicitNet
    affine_bound: float | None

    def run_plainly(
        self, halves: Halves, conditioner: Callable[[Tensor], Tensor], *, inverse: bool
    ) -> tuple[Halves, Tensor]:
        """The coupling or its inverse in operations that autograd knows."""
        ...

    def evaluate(
        self, b: Tensor, parameters: Tensor, *, inverse: bool
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The image, its log_det, and what ``pull_back`` needs."""
        ...

    def pull_back(
        self, grad: Tensor, log_det_grad: Tensor, kept: list[Tensor], *, inverse: bool
    ) -> tuple[Tensor, Tensor]:
        """Gradients in b and in the parameters."""
        ...
