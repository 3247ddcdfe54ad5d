"""The perceptron with the batch N innermost in memory, and its hand-written gradient.

Nets inside small blocks are narrow, and there are many blocks. With some ten features, products
``(out, in) @ (in, N)`` are five times as fast on a CPU as ``(N, in) @ (in, out)``, with many
equally fast. N is cut into chunks, ``(chunks, in, N / chunks)``, because torch distributes a batch
of products over threads, but not one long narrow product.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.ops import perceptron_numba
from rgflow.ops.choice import are_batched
from rgflow.ops.contract import FastNet, NetResult, Prepared
from rgflow.ops.layers import ACTIVATIONS, IDENTITY, Activation
from rgflow.ops.tensors import stacked

CHUNK = 2048
"""Least number of samples in a chunk."""


class LinearMaps(NamedTuple):
    """Prepared weights: linear maps that absorb the scales and offsets of the activations.

    Attributes:
        matrices: ``(nets, out, in)`` for each map, or ``(out, in)`` for one net.
        offsets: ``(nets, out, 1)`` for each map, or ``(out, 1)`` for one net.
    """

    matrices: tuple[Tensor, ...]
    offsets: tuple[Tensor, ...]


class SavedLayers(NamedTuple):
    """Saved tensors, each ``(chunks, features, N / chunks)`` or ``(features, N)``.

    Attributes:
        inputs: Inputs of the linear maps.
        before: Inputs of those activations whose vjp needs them.
    """

    inputs: tuple[Tensor, ...]
    before: tuple[Tensor, ...]


class SavedInput(NamedTuple):
    """The input ``(in, N)`` alone, from which machine code computes all else again."""

    input: Tensor


@dataclass(frozen=True)
class FastPerceptron(FastNet):
    """``linear``, then ``activation, linear`` for each activation.

    The parameters are two tensors: the matrices of all linear maps one after another, and their
    biases.

    Args:
        widths: Number of features before the first map and after each map.
        activations: Names of the activations between the maps.
    """

    widths: tuple[int, ...]
    activations: tuple[str, ...]

    @property
    def inputs(self) -> int:
        """Features of the input."""
        return self.widths[0]

    @property
    def outputs(self) -> int:
        """Features of the output."""
        return self.widths[-1]

    @property
    def parameters(self) -> int:
        """Number of all matrix elements and biases."""
        return sum((columns + 1) * rows for columns, rows in pairwise(self.widths))

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """``(out, in)`` of the linear maps."""
        return tuple((rows, columns) for columns, rows in pairwise(self.widths))

    def prepare(self, parameters: Sequence[Sequence[Tensor]], dtype: torch.dtype) -> Prepared:
        """See the base class."""
        weights, biases = zip(*parameters, strict=True)
        sizes = [rows * columns for rows, columns in self.shapes]
        flat = torch.split_with_sizes(stacked(weights).flatten(1), sizes, 1)
        columns = torch.split_with_sizes(stacked(biases)[..., None], list(self.widths[1:]), 1)
        matrices, offsets = [], []
        for part, offset, shape, (before, after) in zip(
            flat, columns, self.shapes, self._neighbours(), strict=True
        ):
            matrix, factor = part.view(-1, *shape), before.gain * after.scale
            matrix = (matrix if factor == 1 else matrix * factor).to(dtype)
            offset = offset if after.scale == 1 else offset * after.scale
            if before.offset:  # multiplied by the matrix as it is after rounding
                rows = matrix.to(offset.dtype).sum(2, keepdim=True)
                offset = torch.add(offset, rows, alpha=before.offset / before.gain)
            matrices.append(matrix)
            offsets.append(offset.to(dtype))
        return Prepared(LinearMaps(tuple(matrices), tuple(offsets)), ())

    def forward(self, x: Tensor, weights: LinearMaps) -> NetResult:
        """See the base class; N is innermost in the memory of the output."""
        if perceptron_numba.suits(self, x, weights):
            output, read = perceptron_numba.perceptron(self, x, weights)
            return NetResult(output, SavedInput(read))
        return self._forward_in_torch(x, weights)

    def vjp(
        self,
        grad: Tensor,
        weights: LinearMaps,
        saved: SavedLayers | SavedInput,
        *,
        of_weights: bool,
    ) -> tuple[Tensor, LinearMaps | tuple[()]]:
        """See the base class."""
        if isinstance(saved, SavedInput):
            if not are_batched((grad,)):
                of_x, matrices, offsets = perceptron_numba.perceptron_vjp(
                    self, grad, weights, saved.input, of_weights
                )
                return of_x, LinearMaps(matrices, offsets) if of_weights else ()
            saved = self._forward_in_torch(saved.input.T, weights).saved
        return self._vjp_in_torch(grad, weights, saved, of_weights)

    def prepare_vjp(self, of_weights: LinearMaps, saved: tuple[()]) -> list[Tensor]:
        """See the base class."""
        found_weights, found_biases = [], []
        for matrix, offset, (before, after) in zip(*of_weights, self._neighbours(), strict=True):
            offset = offset if after.scale == 1 else offset * after.scale
            factor = before.gain * after.scale
            matrix = matrix if factor == 1 else matrix * factor
            if before.offset:
                matrix = torch.add(matrix, offset[..., None], alpha=before.offset)
            found_weights.append(matrix.reshape(len(matrix), -1))
            found_biases.append(offset)
        return [torch.cat(found_weights, 1), torch.cat(found_biases, 1)]

    def _neighbours(self) -> Iterator[tuple[Activation, Activation]]:
        """The activations before and after each map."""
        return pairwise((IDENTITY, *(ACTIVATIONS[name] for name in self.activations), IDENTITY))

    def _forward_in_torch(self, x: Tensor, weights: LinearMaps) -> NetResult:
        h = _cut(x)
        inputs, before = [h], []
        *inner, last = zip(*weights, strict=True)
        for (matrix, offset), name in zip(inner, self.activations, strict=True):
            v = _linear(matrix, offset, h)
            activation = ACTIVATIONS[name]
            h = activation.function(v)
            inputs.append(h)
            if not activation.saves_output:
                before.append(v)
        return NetResult(_join(_linear(*last, h)), SavedLayers(tuple(inputs), tuple(before)))

    def _vjp_in_torch(
        self, grad: Tensor, weights: LinearMaps, saved: SavedLayers, of_weights: bool
    ) -> tuple[Tensor, LinearMaps | tuple[()]]:
        before = list(saved.before)
        of_matrices, of_offsets = [], []
        g = _cut(grad)
        for layer in reversed(range(len(weights.matrices))):
            if of_weights:
                read = saved.inputs[layer].mT
                if g.dim() == 2:
                    of_matrices.append(g @ read)
                    of_offsets.append(g.sum(1))
                else:
                    of_matrices.append(torch.bmm(g, read).sum(0))
                    of_offsets.append(g.sum((0, 2)))
            matrix = weights.matrices[layer].T
            g = matrix @ g if g.dim() == 2 else torch.bmm(matrix.expand(len(g), -1, -1), g)
            if layer:
                activation = ACTIVATIONS[self.activations[layer - 1]]
                g = activation.vjp(
                    g, saved.inputs[layer] if activation.saves_output else before.pop()
                )
        found = LinearMaps(tuple(of_matrices[::-1]), tuple(of_offsets[::-1]))
        return _join(g), found if of_weights else ()


def _cut(x: Tensor) -> Tensor:
    """``(N, in)`` to ``(chunks, in, N / chunks)``, or for small N to ``(in, N)``."""
    count = len(x)
    if count < 2 * CHUNK:
        return x.T
    chunks = math.gcd(count, 2 ** ((count // CHUNK).bit_length() - 1))
    return x.T.unflatten(1, (chunks, -1)).transpose(0, 1)


def _join(h: Tensor) -> Tensor:
    """The inverse of ``_cut``."""
    return (h if h.dim() == 2 else h.transpose(0, 1).flatten(1)).T


def _linear(matrix: Tensor, offset: Tensor, h: Tensor) -> Tensor:
    if h.dim() == 2:
        return torch.addmm(offset, matrix, h)
    return torch.baddbmm(offset, matrix.expand(len(h), -1, -1), h)
