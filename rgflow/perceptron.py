"""The plain perceptron, evaluated with the batch innermost in memory, and its gradient.

Nets inside small blocks are narrow, and there are many blocks: products ``(out, in) @ (in, N)``
of features by samples are five times as fast on a CPU as ``(N, in) @ (in, out)`` when there are
ten features or so, and equally fast for wide nets. The samples are cut into chunks, ``(chunks,
in, N / chunks)``, because threads share batches of products, but not one long narrow product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.fused import LOG2_E

CHUNK = 2048  # samples


class Activation(NamedTuple):
    """A pointwise function.

    Attributes:
        function: The function, of ``scale`` times its argument.
        backward: ``(gradient, kept) -> gradient``, without the scale.
        keeps_output: Whether ``backward`` wants the function's output, not its input.
        scale: What the linear map in front is multiplied by, at no cost.
    """

    function: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]
    keeps_output: bool
    scale: float = 1.0

    def __call__(self, x: Tensor) -> Tensor:
        """The function itself."""
        return self.function(x if self.scale == 1 else self.scale * x)


def _tanh_of_half(x: Tensor) -> Tensor:
    """``tanh(x / 2) = 2 sigmoid(x) - 1``; so five times as fast on a CPU, to rounding of 1."""
    return torch.add(x.new_full((), -1.0), torch.sigmoid(x), alpha=2)


def _elu(x: Tensor) -> Tensor:
    """``max(x, e^min(x, 0) - 1)`` on a CPU, with the fast power of two there."""
    if x.device.type != "cpu":
        return F.elu(x)
    return torch.maximum(x, x.clamp_max(0).mul_(LOG2_E).exp2_() - 1)


_aten = torch.ops.aten
ACTIVATIONS = {
    "silu": Activation(F.silu, _aten.silu_backward, False),
    "elu": Activation(_elu, lambda g, y: _aten.elu_backward(g, 1.0, 1.0, 1.0, True, y), True),
    "tanh": Activation(_tanh_of_half, _aten.tanh_backward, True, 2.0),
    "relu": Activation(F.relu, lambda g, y: _aten.threshold_backward(g, y, 0), True),
    "gelu": Activation(F.gelu, _aten.gelu_backward, False),
}


def activation(name: str) -> Activation:
    """The pointwise function of that name; ValueError if there is none."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r} is unknown, expected one of {sorted(ACTIVATIONS)}")
    return ACTIVATIONS[name]


class Layers(NamedTuple):
    """What a perceptron is beside its parameters.

    Attributes:
        shapes: ``(out, in)`` of the linear maps.
        activations: In between, one less.
    """

    shapes: tuple[tuple[int, int], ...]
    activations: tuple[Activation, ...] = ()


def evaluate(
    x: Tensor, weights: Tensor, biases: Tensor, layers: Layers
) -> tuple[Tensor, list[Tensor]]:
    """``linear``, then ``activation, linear`` for each activation.

    Args:
        x: ``(N, inputs)``, best with N innermost in memory.
        weights: Of all linear maps, one after another in one axis.
        biases: Of all linear maps, in the same way.
        layers: Shapes and activations.

    Returns:
        ``(N, outputs)`` with N innermost in memory, and what `pull_back` needs: the inputs of the
        maps, ``(chunks, in, N / chunks)``, then the weights of each, then what activations keep.
    """
    h = _cut(x)
    matrices, offsets = _unpack(weights.to(x.dtype), biases.to(x.dtype), layers)
    inputs, kept = [h], []
    for matrix, offset, act in zip(matrices, offsets, layers.activations, strict=False):
        v = _linear(matrix, offset, h, act.scale)
        h = act.function(v)
        inputs.append(h)
        if not act.keeps_output:
            kept.append(v)
    return _join(_linear(matrices[-1], offsets[-1], h, 1.0)), [*inputs, *matrices, *kept]


def pull_back(
    grad: Tensor, layers: Layers, kept: Sequence[Tensor], of_parameters: bool = True
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Gradients of `evaluate` in x and, if asked for, in weights and biases.

    Args:
        grad: Gradient of its output, ``(N, outputs)``.
        layers: As they were given to it.
        kept: What it returned beside the output.
        of_parameters: Whether the gradients in weights and biases are wanted.
    """
    count = len(layers.shapes)
    inputs, matrices, before = kept[:count], kept[count : 2 * count], list(kept[2 * count :])
    of_weights, of_biases = [], []
    g = _cut(grad)
    for layer in reversed(range(count)):
        if of_parameters:
            read = inputs[layer].mT
            if g.dim() == 2:
                of_weights.append((g @ read).view(-1))
                of_biases.append(g.sum(1))
            else:
                of_weights.append(torch.bmm(g, read).sum(0).view(-1))
                of_biases.append(g.sum((0, 2)))
        matrix = matrices[layer].T
        g = matrix @ g if g.dim() == 2 else torch.bmm(matrix.expand(len(g), -1, -1), g)
        if layer:
            act = layers.activations[layer - 1]
            g = act.backward(g, inputs[layer] if act.keeps_output else before.pop())
    if not of_parameters:
        return _join(g), None, None
    return _join(g), torch.cat(of_weights[::-1]), torch.cat(of_biases[::-1])


def _unpack(weights: Tensor, biases: Tensor, layers: Layers) -> tuple[list[Tensor], list[Tensor]]:
    """Matrices ``(out, in)`` and columns ``(out, 1)``."""
    rows = [out for out, _ in layers.shapes]
    flat = torch.split_with_sizes(weights, [out * width for out, width in layers.shapes])
    matrices = [part.view(shape) for part, shape in zip(flat, layers.shapes, strict=True)]
    return matrices, torch.split_with_sizes(biases[:, None], rows)


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


def _linear(matrix: Tensor, offset: Tensor, h: Tensor, scale: float) -> Tensor:
    if h.dim() == 2:
        return torch.addmm(offset, matrix, h, alpha=scale, beta=scale)
    matrix = matrix.expand(len(h), -1, -1)
    return torch.baddbmm(offset, matrix, h, alpha=scale, beta=scale)
