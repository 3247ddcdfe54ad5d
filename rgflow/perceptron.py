"""The plain perceptron, evaluated with the batch innermost in memory, and its gradient.

Nets inside small blocks are narrow, and there are many blocks: products ``(out, in) @ (in, N)``
of features by samples are five times as fast on a CPU as ``(N, in) @ (in, out)`` when there are
ten features or so, and equally fast for wide nets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Activation(NamedTuple):
    """A pointwise function.

    Attributes:
        function: The function.
        backward: ``(gradient, kept) -> gradient``.
        keeps_output: Whether ``backward`` wants the function's output, not its input.
    """

    function: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]
    keeps_output: bool


def _tanh(x: Tensor) -> Tensor:
    """``2 sigmoid(2 x) - 1`` on a CPU, which is four times as fast there; to rounding of 1."""
    if x.device.type != "cpu":
        return torch.tanh(x)
    return 2 * torch.sigmoid(x + x) - 1


_aten = torch.ops.aten
ACTIVATIONS = {
    "silu": Activation(F.silu, _aten.silu_backward, False),
    "elu": Activation(F.elu, lambda g, y: _aten.elu_backward(g, 1.0, 1.0, 1.0, True, y), True),
    "tanh": Activation(_tanh, _aten.tanh_backward, True),
    "relu": Activation(F.relu, lambda g, y: _aten.threshold_backward(g, y, 0), True),
    "gelu": Activation(F.gelu, _aten.gelu_backward, False),
}


def activation(name: str) -> Activation:
    """The pointwise function of that name; ValueError if there is none."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r} is unknown, expected one of {sorted(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def evaluate(
    x: Tensor, parameters: Sequence[Tensor], activations: Sequence[Activation]
) -> tuple[Tensor, list[Tensor]]:
    """``linear``, then ``activation, linear`` for each activation.

    Args:
        x: ``(N, inputs)``, best with N innermost in memory.
        parameters: Weight ``(out, in)`` and bias ``(out,)`` of each linear map.
        activations: In between.

    Returns:
        ``(N, outputs)`` with N innermost in memory, and what `pull_back` needs: the inputs of the
        maps, ``(in, N)``, then what activations keep.
    """
    *hidden, last = zip(parameters[::2], parameters[1::2], strict=True)
    h = x.T
    inputs, kept = [h], []
    for (weight, bias), act in zip(hidden, activations, strict=True):
        v = _linear(weight, bias, h)
        h = act.function(v)
        inputs.append(h)
        if not act.keeps_output:
            kept.append(v)
    weight, bias = last
    return _linear(weight, bias, h).T, [*inputs, *kept]


def pull_back(
    grad: Tensor,
    parameters: Sequence[Tensor],
    activations: Sequence[Activation],
    kept: Sequence[Tensor],
    of_parameters: bool = True,
) -> tuple[Tensor, list[Tensor | None]]:
    """Gradients of `evaluate` in x and, if asked for, in the parameters.

    Args:
        grad: Gradient of its output, ``(N, outputs)``.
        parameters: As they were given to it.
        activations: As they were given to it.
        kept: What it returned beside the output.
        of_parameters: Whether the parameters' gradients are wanted.
    """
    weights = parameters[::2]
    inputs, before = kept[: len(weights)], list(kept[len(weights) :])
    grads: list[Tensor | None] = [None] * len(parameters)
    g = grad.T
    for layer in reversed(range(len(weights))):
        if of_parameters:
            grads[2 * layer : 2 * layer + 2] = g @ inputs[layer].T, g.sum(1)
        g = weights[layer].T.to(g.dtype) @ g
        if layer:
            act = activations[layer - 1]
            g = act.backward(g, inputs[layer] if act.keeps_output else before.pop())
    return g.T, grads


def _linear(weight: Tensor, bias: Tensor, h: Tensor) -> Tensor:
    return torch.addmm(bias[:, None].to(h.dtype), weight.to(h.dtype), h)
