"""What a conditioner must offer to be part of a coupling with a hand-written gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn


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
