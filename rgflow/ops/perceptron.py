"""The plain perceptron, evaluated with the batch innermost in memory, and its gradient.

Nets inside small blocks are narrow, and there are many blocks: products ``(out, in) @ (in, N)``
of features by samples are five times as fast on a CPU as ``(N, in) @ (in, out)`` when there are
ten features or so, and equally fast for wide nets. The samples are cut into chunks, ``(chunks,
in, N / chunks)``, because threads share batches of products, but not one long narrow product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.ops import perceptron_numba as native_perceptron
from rgflow.ops.fused import stacked, stand_for_many
from rgflow.ops.layers import Layers

CHUNK = 2048  # samples


def prepare(
    weights: Sequence[Tensor], biases: Sequence[Tensor], layers: Layers, dtype: torch.dtype
) -> list[Tensor]:
    """What `evaluate` wants of perceptrons that are alike, made for all of them at once.

    Args:
        weights: Of each net those of all linear maps, one after another in one axis.
        biases: Of each net those of all linear maps, in the same way.
        layers: Shapes and activations.
        dtype: Of the nets' inputs.

    Returns:
        Matrices ``(nets, out, in)`` of all maps, then columns ``(nets, out, 1)``, with what goes
        with the activations folded in.
    """
    flat = torch.split_with_sizes(stacked(weights), [n * width for n, width in layers.shapes], 1)
    columns = torch.split_with_sizes(stacked(biases)[..., None], [n for n, _ in layers.shapes], 1)
    matrices, offsets = [], []
    for part, offset, shape, (before, after) in zip(
        flat, columns, layers.shapes, layers.neighbours(), strict=True
    ):
        matrix, factor = part.view(-1, *shape), before.gain * after.scale
        matrix = (matrix if factor == 1 else matrix * factor).to(dtype)
        offset = offset if after.scale == 1 else offset * after.scale
        if before.offset:  # of the matrix as it is rounded
            rows = matrix.to(offset.dtype).sum(2, keepdim=True)
            offset = torch.add(offset, rows, alpha=before.offset / before.gain)
        matrices.append(matrix)
        offsets.append(offset.to(dtype))
    return matrices + offsets


def evaluate(x: Tensor, ready: Sequence[Tensor], layers: Layers) -> tuple[Tensor, list[Tensor]]:
    """``linear``, then ``activation, linear`` for each activation.

    Args:
        x: ``(N, inputs)``, best with N innermost in memory.
        ready: Matrices and columns of one net, from `prepare`.
        layers: Shapes and activations.

    Returns:
        ``(N, outputs)`` with N innermost in memory, and what `pull_back` needs: the inputs of the
        maps, ``(chunks, in, N / chunks)``, then what activations keep; or from machine code
        ``(in, N)``.
    """
    if native_perceptron.suits(x, ready, layers):
        return native_perceptron.evaluate(x, ready, layers)
    return _evaluate(x, ready, layers)


def _evaluate(x: Tensor, ready: Sequence[Tensor], layers: Layers) -> tuple[Tensor, list[Tensor]]:
    """The same in plain operations."""
    h = _cut(x)
    count = len(layers.shapes)
    inputs, kept = [h], []
    for matrix, offset, act in zip(ready, ready[count:], layers.activations, strict=False):
        v = _linear(matrix, offset, h)
        h = act.function(v)
        inputs.append(h)
        if not act.keeps_output:
            kept.append(v)
    return _join(_linear(ready[count - 1], ready[-1], h)), [*inputs, *kept]


def pull_back(
    grad: Tensor,
    ready: Sequence[Tensor],
    kept: Sequence[Tensor],
    layers: Layers,
    of_ready: bool = True,
) -> tuple[Tensor, list[Tensor]]:
    """Gradients of `evaluate` in x and, if asked for, in ``ready``, else none.

    Args:
        grad: Gradient of its output, ``(N, outputs)``.
        ready: As it was given to it.
        kept: What it returned beside the output.
        layers: As they were given to it.
        of_ready: Whether the gradients in ``ready`` are wanted.
    """
    count = len(layers.shapes)
    if len(kept) == 1 and count > 1:
        if not stand_for_many((grad,)):
            return native_perceptron.pull_back(grad, ready, kept, layers, of_ready)
        kept = _evaluate(kept[0].T, ready, layers)[1]
    inputs, before = kept[:count], list(kept[count:])
    of_matrices, of_offsets = [], []
    g = _cut(grad)
    for layer in reversed(range(count)):
        if of_ready:
            read = inputs[layer].mT
            if g.dim() == 2:
                of_matrices.append(g @ read)
                of_offsets.append(g.sum(1))
            else:
                of_matrices.append(torch.bmm(g, read).sum(0))
                of_offsets.append(g.sum((0, 2)))
        matrix = ready[layer].T
        g = matrix @ g if g.dim() == 2 else torch.bmm(matrix.expand(len(g), -1, -1), g)
        if layer:
            act = layers.activations[layer - 1]
            g = act.backward(g, inputs[layer] if act.keeps_output else before.pop())
    return _join(g), of_matrices[::-1] + of_offsets[::-1]


def collect(of_ready: Sequence[Tensor], layers: Layers) -> tuple[Tensor, Tensor]:
    """Gradients in the weights ``(nets, ...)`` and biases ``(nets, ...)`` given to `prepare`.

    Args:
        of_ready: Gradients from `pull_back`, stacked: ``(nets, out, in)``, then ``(nets, out)``.
        layers: As given to it.
    """
    count = len(layers.shapes)
    of_weights, of_biases = [], []
    for matrix, offset, (before, after) in zip(
        of_ready, of_ready[count:], layers.neighbours(), strict=False
    ):
        offset = offset if after.scale == 1 else offset * after.scale
        factor = before.gain * after.scale
        matrix = matrix if factor == 1 else matrix * factor
        if before.offset:
            matrix = torch.add(matrix, offset[..., None], alpha=before.offset)
        of_weights.append(matrix.reshape(len(matrix), -1))
        of_biases.append(offset)
    return torch.cat(of_weights, 1), torch.cat(of_biases, 1)


def _cut(x: Tensor) -> Tensor:
    """``(N, features)`` to ``(chunks, features, N / chunks)``, or to ``(features, N)`` if few."""
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
