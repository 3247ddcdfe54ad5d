"""Nets made of other nets: one after another, or side by side on the same input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rgflow.ops.contract import FastNet, NetResult, Prepared
from rgflow.ops.saved import Structure
from rgflow.ops.tensors import concatenate


@dataclass(frozen=True)
class FastSequence(FastNet):
    """One net after another; the parameters are those of the first, then those of the second.

    Args:
        first: The net that reads the input.
        second: The net that reads the output of the first one.
        parameters_of_first: Number of parameter tensors of the first one.
    """

    first: FastNet
    second: FastNet
    parameters_of_first: int

    @property
    def inputs(self) -> int:
        """Features of the input."""
        return self.first.inputs

    @property
    def outputs(self) -> int:
        """Features of the output."""
        return self.second.outputs

    def prepare(self, parameters: Sequence[Sequence[Tensor]], dtype: torch.dtype) -> Prepared:
        """See the base class."""
        cut = self.parameters_of_first
        first = self.first.prepare([own[:cut] for own in parameters], dtype)
        second = self.second.prepare([own[cut:] for own in parameters], dtype)
        return Prepared((first.weights, second.weights), (first.saved, second.saved))

    def forward(self, x: Tensor, weights: Structure) -> NetResult:
        """See the base class."""
        first = self.first.forward(x, weights[0])
        second = self.second.forward(first.output, weights[1])
        return NetResult(second.output, (first.saved, second.saved))

    def vjp(
        self, grad: Tensor, weights: Structure, saved: Structure, *, of_weights: bool
    ) -> tuple[Tensor, Structure]:
        """See the base class."""
        grad, of_second = self.second.vjp(grad, weights[1], saved[1], of_weights=of_weights)
        grad, of_first = self.first.vjp(grad, weights[0], saved[0], of_weights=of_weights)
        return grad, (of_first, of_second)

    def prepare_vjp(self, of_weights: Structure, saved: Structure) -> list[Tensor]:
        """See the base class."""
        first = self.first.prepare_vjp(of_weights[0], saved[0])
        return first + self.second.prepare_vjp(of_weights[1], saved[1])


@dataclass(frozen=True)
class FastSideBySide(FastNet):
    """Nets that are alike, on the same input, their outputs one after another.

    Args:
        net: The faster way of each of them.
        count: Number of nets.
        parameters_of_each: Number of parameter tensors of each of them.
    """

    net: FastNet
    count: int
    parameters_of_each: int

    @property
    def inputs(self) -> int:
        """Features of the input."""
        return self.net.inputs

    @property
    def outputs(self) -> int:
        """Features of the output."""
        return self.count * self.net.outputs

    def prepare(self, parameters: Sequence[Sequence[Tensor]], dtype: torch.dtype) -> Prepared:
        """See the base class."""
        each = self.parameters_of_each
        parts = [
            self.net.prepare([own[i * each : (i + 1) * each] for own in parameters], dtype)
            for i in range(self.count)
        ]
        return Prepared(tuple(p.weights for p in parts), tuple(p.saved for p in parts))

    def forward(self, x: Tensor, weights: Structure) -> NetResult:
        """See the base class."""
        parts = [self.net.forward(x, own) for own in weights]
        return NetResult(concatenate([p.output for p in parts]), tuple(p.saved for p in parts))

    def vjp(
        self, grad: Tensor, weights: Structure, saved: Structure, *, of_weights: bool
    ) -> tuple[Tensor, Structure]:
        """See the base class."""
        parts = [
            self.net.vjp(part, own, inside, of_weights=of_weights)
            for part, own, inside in zip(grad.chunk(self.count, 1), weights, saved, strict=True)
        ]
        return sum(of_x for of_x, _ in parts), tuple(found for _, found in parts)

    def prepare_vjp(self, of_weights: Structure, saved: Structure) -> list[Tensor]:
        """See the base class."""
        parts = zip(of_weights, saved, strict=True)
        return [t for own, inside in parts for t in self.net.prepare_vjp(own, inside)]
