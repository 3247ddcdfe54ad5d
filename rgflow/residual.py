"""The residual net of RG-Flow as one function with a hand-written gradient, weight norm included.

On small blocks a net like this is bound by the number of small operations, not by its matrix
products: autograd would make about three times as many as are needed. See ``rgflow.fused`` for the
principle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SHRINK = 0.5**0.5  # of the residual sum, keeps its variance


class Layout(NamedTuple):
    """Shapes of the net's linear maps, three per block and one to close, and their factors.

    Attributes:
        shapes: ``(out, in)`` of each map.
        folding: ``(2 * rows, maps + 1)``: exponents of the slopes, and of the residual factor, in
            the factors of gains (first half) and biases (second half).
    """

    shapes: tuple[tuple[int, int], ...]
    folding: Tensor


def folding_matrix(shapes: Sequence[tuple[int, int]]) -> Tensor:
    """Exponents for `Layout`.

    Map l reads ``silu(beta_l v) / beta_l``: its weights are divided by beta_l, and where another
    swish follows inside the block, weights and biases are multiplied by that one's slope. The last
    map of a block is multiplied by the residual factor instead.
    """
    count = len(shapes)
    of_gain, of_bias = torch.zeros(2, count, count + 1)
    for layer in range(count):
        of_gain[layer, layer] -= 1
        for factors in (of_gain, of_bias):
            if layer + 1 < count:
                factors[layer, layer + 1 if layer % 3 < 2 else -1] += 1
    layer_of_row = torch.cat([torch.full((rows,), i) for i, (rows, _) in enumerate(shapes)])
    return torch.cat((of_gain[layer_of_row], of_bias[layer_of_row]))


def residual_net(
    x: Tensor, directions: Tensor, gains_and_biases: Tensor, log_slopes: Tensor, layout: Layout
) -> Tensor:
    """Residual blocks ``x <- (x + f(x)) / sqrt 2`` and a closing ``linear(swish(x))``.

    ``f`` is ``swish, linear`` three times, with ``swish(v) = v sigmoid(beta v)`` and rows of
    weights ``gain v / |v|``.

    Args:
        x: ``(N, width)``.
        directions: All ``v``, flat.
        gains_and_biases: The gains of all rows, then the biases, ``(2 * rows,)``.
        log_slopes: ``ln beta`` of the swish in front of each map.
        layout: Of the maps.

    Returns:
        ``(N, outputs)``.
    """
    parameters = (directions, gains_and_biases, log_slopes)
    if torch.compiler.is_compiling():  # a compiler fuses better than we do
        return _forward(x, *parameters, *layout)[0]
    device = x.device.type
    if torch.is_autocast_enabled(device):
        low = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            return _ResidualNet.apply(x.to(low), *parameters, *layout)[0]
    return _ResidualNet.apply(x, *parameters, *layout)[0]


def _forward(
    x: Tensor,
    directions: Tensor,
    gains_and_biases: Tensor,
    log_slopes: Tensor,
    shapes: Sequence[tuple[int, int]],
    folding: Tensor,
) -> tuple[Tensor, ...]:
    """The output; factors and slopes; norms and weights; input and swish of each map."""
    constant = math.log(SHRINK) * folding[:, -1]
    factors = torch.addmv(constant, folding[:, :-1], log_slopes).exp()
    slopes = log_slopes.exp()
    gains, biases = (gains_and_biases * factors).unflatten(0, (2, -1, 1)).unbind()
    rows = [out for out, _ in shapes]
    pairs = [
        torch._weight_norm_interface(part.view(shape), gain, 0)
        for part, gain, shape in zip(
            _parts(directions, shapes), gains.split(rows), shapes, strict=True
        )
    ]
    weights = [weight.to(x.dtype) for weight, _ in pairs]
    biases = biases[:, 0].to(x.dtype).split(rows)
    stream_slopes = slopes[::3].unbind()
    inputs, swishes = [], []
    stream = h = x
    for layer, weight in enumerate(weights):
        inputs.append(h)
        if layer % 3 == 0:
            stream = h
            h = h * stream_slopes[layer // 3]
        swishes.append(F.silu(h))
        h = F.linear(swishes[-1], weight, biases[layer])
        if layer % 3 == 2:
            h = torch.add(h, stream, alpha=SHRINK)
    norms = (norm for _, norm in pairs)
    return h, factors, slopes, *norms, *weights, *inputs, *swishes


class _ResidualNet(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor,
        directions: Tensor,
        gains_and_biases: Tensor,
        log_slopes: Tensor,
        shapes: Sequence[tuple[int, int]],
        folding: Tensor,
    ) -> tuple[Tensor, ...]:
        results = _forward(x, directions, gains_and_biases, log_slopes, shapes, folding)
        first = len(results) - 2 * len(shapes)  # an input must not come back as an output
        return results[:first] + results[first + 1 :]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, directions, gains_and_biases, log_slopes, ctx.shapes, folding = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, directions, gains_and_biases, log_slopes, folding, *output[1:])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: None) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors  # recomputation allows one look
        x, directions, gains_and_biases, log_slopes, folding, *kept = saved
        count = len(ctx.shapes)
        if torch.is_grad_enabled():
            parameters = (directions, gains_and_biases, log_slopes)
            kept = _forward(x, *parameters, ctx.shapes, folding)[1:]
        else:
            kept.insert(2 + 2 * count, x)
        factors, slopes, *rest = kept
        norms, weights, inputs, swishes = (rest[count * i : count * (i + 1)] for i in range(4))
        parts = _parts(directions, ctx.shapes)
        gains = (gains_and_biases * factors)[: len(factors) // 2, None]
        gains = gains.split([out for out, _ in ctx.shapes])
        stream_slopes = slopes[::3].unbind()
        direction_grads, gain_grads, bias_grads, slope_grads = [], [], [], []
        residual = grad
        for layer in reversed(range(count)):
            if layer % 3 == 2:
                residual = grad
            weight_grad = (grad.T @ swishes[layer]).to(directions.dtype)
            bias_grads.append(grad.sum(0))
            direction = parts[layer].view(ctx.shapes[layer])
            direction_grad, gain_grad = _weight_norm_backward(
                weight_grad, direction, gains[layer], norms[layer]
            )
            direction_grads.append(direction_grad.flatten())
            gain_grads.append(gain_grad[:, 0])
            grad = grad @ weights[layer]
            if layer % 3:
                grad = _silu_backward(grad, inputs[layer])
                continue
            stream, slope = inputs[layer], stream_slopes[layer // 3]
            inner = _silu_backward(grad, stream * slope)
            slope_grads.append((inner * stream).sum())
            grad = inner * slope
            if layer + 1 < count:
                grad = torch.add(grad, residual, alpha=SHRINK)
        scaled = torch.cat([*gain_grads[::-1], *bias_grads[::-1]]).to(factors.dtype) * factors
        by_slope = torch.mv(folding.T, scaled * gains_and_biases)[:-1]
        by_slope[::3] += torch.stack(slope_grads[::-1]) * slopes[::3]
        return grad, torch.cat(direction_grads[::-1]), scaled, by_slope, None, None


def _parts(directions: Tensor, shapes: Sequence[tuple[int, int]]) -> tuple[Tensor, ...]:
    return directions.split([out * width for out, width in shapes])


def _weight_norm_backward(
    grad: Tensor, direction: Tensor, gain: Tensor, norm: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of ``gain direction / |direction|`` by rows, in direction and gain."""
    if not torch.is_grad_enabled():
        backward = torch.ops.aten._weight_norm_interface_backward
        return backward(grad, direction, gain, norm, 0)
    norm = torch.linalg.vector_norm(direction, dim=1, keepdim=True)
    unit = direction / norm
    along = (grad * unit).sum(1, keepdim=True)
    return (grad - along * unit) * (gain / norm), along


def _silu_backward(grad: Tensor, x: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return torch.ops.aten.silu_backward(grad, x)
    gate = torch.sigmoid(x)
    return grad * gate * (1 + x * (1 - gate))
