"""The residual net of RG-Flow as one function with a hand-written gradient, weight norm included.

On small blocks a net like this is bound by the number of small operations, not by its matrix
products: autograd would make about three times as many as are needed. See ``rgflow.fused`` for the
principle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.fused import apply, with_eager_twin

SHRINK = 0.5**0.5  # of the residual sum, keeps its variance


class Layout(NamedTuple):
    """How the net's linear maps lie in its flat parameters, and their factors.

    Maps that read equally many features lie together, so that their rows are one matrix.

    Attributes:
        order: The maps, numbered in the order in which they act, as they lie.
        rows: Outputs of each map, as they lie.
        groups: ``(maps, rows, width)`` of each group that reads ``width`` features.
        exponents: ``(2 * all rows, maps)``: exponents of the slopes in the factors of gains (first
            half) and biases (second half).
        shrinks: ``(2 * all rows,)``: exponents of the residual factor.
    """

    order: tuple[int, ...]
    rows: tuple[int, ...]
    groups: tuple[tuple[int, int, int], ...]
    exponents: Tensor
    shrinks: Tensor


def make_layout(shapes: Sequence[tuple[int, int]]) -> Layout:
    """The layout of maps of shapes ``(out, in)``, three per block and one to close.

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
    widths = list(dict.fromkeys(width for _, width in shapes))
    members = [[i for i, (_, width) in enumerate(shapes) if width == w] for w in widths]
    order = tuple(layer for group in members for layer in group)
    rows = tuple(shapes[layer][0] for layer in order)
    groups = tuple(
        (len(group), sum(shapes[layer][0] for layer in group), width)
        for group, width in zip(members, widths, strict=True)
    )
    of_row = torch.tensor([layer for layer in order for _ in range(shapes[layer][0])])
    folding = torch.cat((of_gain[of_row], of_bias[of_row]))
    return Layout(order, rows, groups, folding[:, :-1], folding[:, -1])


def residual_net(x: Tensor, flat: Tensor, layout: Layout) -> Tensor:
    """Residual blocks ``x <- (x + f(x)) / sqrt 2`` and a closing ``linear(swish(x))``.

    ``f`` is ``swish, linear`` three times, with ``swish(v) = v sigmoid(beta v)`` and rows of
    weights ``gain v / |v|``.

    Args:
        x: ``(N, width)``.
        flat: All ``v`` as they lie, then the gains of all rows, their biases, and ``ln beta`` of
            the swish in front of each map. One tensor, because small ones cost more in the
            optimizer than in the net.
        layout: Of the maps.

    Returns:
        ``(N, outputs)``.
    """
    if torch.compiler.is_compiling():  # a compiler fuses better than we do
        return evaluate(x, flat, layout)[0]
    device = x.device.type
    if torch.is_autocast_enabled(device):
        low = torch.get_autocast_dtype(device)
        with torch.autocast(device, enabled=False):
            return apply(_ResidualNet, x.to(low), flat, *layout)[0]
    return apply(_ResidualNet, x, flat, *layout)[0]


def evaluate(x: Tensor, flat: Tensor, layout: Layout) -> tuple[Tensor, list[Tensor]]:
    """`residual_net`, and what `pull_back` needs of it.

    That is factors, slopes, gains and norms by group, weights and inputs by map.
    """
    order, rows, groups, exponents, shrinks = layout
    *parts, gains_and_biases, log_slopes = _parts(flat, groups, exponents)
    factors = torch.addmv(shrinks, exponents, log_slopes, beta=math.log(SHRINK)).exp_()
    slopes = log_slopes.exp()
    gains, biases = (gains_and_biases * factors).chunk(2)
    gains = torch.split_with_sizes(gains[:, None], [count for _, count, _ in groups])
    norms, lying = [], []
    start = 0
    for part, gain, (maps, count, width) in zip(parts, gains, groups, strict=True):
        weight, norm = torch._weight_norm_interface(part.view(count, width), gain, 0)
        norms.append(norm)
        lying += torch.split_with_sizes(weight.to(x.dtype), rows[start : start + maps])
        start += maps
    weights, offsets = [x] * len(order), [x] * len(order)
    biases = torch.split_with_sizes(biases.to(x.dtype), rows)
    for layer, weight, bias in zip(order, lying, biases, strict=True):
        weights[layer], offsets[layer] = weight, bias
    stream_slopes = slopes[::3].unbind()
    innermost = _is_innermost(x)
    inputs = []
    stream = h = x
    for layer, weight in enumerate(weights):
        inputs.append(h)
        if layer % 3 == 0:
            stream = h
            h = h * stream_slopes[layer // 3]
        h = F.silu(h)
        if innermost and (layer % 3 == 2 or layer + 1 == len(weights)):
            h = torch.addmm(offsets[layer][:, None], weight, h.T).T
        else:
            h = F.linear(h, weight, offsets[layer])
        if layer % 3 == 2:
            h = torch.add(h, stream, alpha=SHRINK)
    return h, [factors, slopes, *gains, *norms, *weights, *inputs]


def pull_back(
    grad: Tensor, flat: Tensor, layout: Layout, kept: Sequence[Tensor], of_flat: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Gradients of `residual_net` in x and, if asked for, in ``flat``.

    Args:
        grad: Gradient of its output, ``(N, outputs)``.
        flat: As it was given to it.
        layout: As it was given to it.
        kept: What `evaluate` returned beside the output.
        of_flat: Whether the gradient in ``flat`` is wanted.
    """
    order, _, groups, exponents, _ = layout
    count = len(order)
    sizes = (2, len(groups), len(groups), count, count)
    (factors, slopes), gains, norms, weights, inputs = _cut(kept, sizes)
    stream_slopes = slopes[::3].unbind()
    weight_grads, bias_grads = [grad] * count, [grad] * count
    slope_grads = [slopes.new_zeros(())] * count
    residual = grad
    innermost = _is_innermost(inputs[0])
    for layer in reversed(range(count)):
        if layer % 3 == 2:
            residual = grad
        slope = stream_slopes[layer // 3]
        first = layer % 3 == 0
        h = inputs[layer] * slope if first else inputs[layer]
        if of_flat:
            weight_grads[layer] = grad.T @ F.silu(h)  # cheaper than to fetch it from memory
            bias_grads[layer] = grad.sum(0)
        weight = weights[layer]
        grad = (weight.T @ grad.T).T if first and innermost else grad @ weight
        grad = _silu_backward(grad, h)
        if first:
            if of_flat:
                slope_grads[layer] = (grad * h).sum().to(slopes.dtype)
            grad = grad * slope
            if layer + 1 < count:
                grad = torch.add(grad, residual, alpha=SHRINK)
    if not of_flat:
        return grad, None
    direction_grads, gain_grads = [], []
    start = 0
    *parts, gains_and_biases, _ = _parts(flat, groups, exponents)
    for group, part, gain, norm in zip(groups, parts, gains, norms, strict=True):
        maps, height, width = group
        members = order[start : start + maps]
        start += maps
        weight_grad = torch.cat([weight_grads[layer] for layer in members]).to(part.dtype)
        direction_grad, gain_grad = _weight_norm_backward(
            weight_grad, part.view(height, width), gain, norm
        )
        direction_grads.append(direction_grad.view(-1))
        gain_grads.append(gain_grad.view(-1))
    by_bias = [bias_grads[layer] for layer in order]
    scaled = torch.cat([*gain_grads, *by_bias]).to(factors.dtype) * factors
    by_slope = torch.addmv(torch.stack(slope_grads), exponents.T, scaled * gains_and_biases)
    return grad, torch.cat([*direction_grads, scaled, by_slope])


@with_eager_twin
class _ResidualNet(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, flat: Tensor, *layout: Any) -> tuple[Tensor, list[Tensor]]:
        return evaluate(x, flat, Layout(*layout))

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, list[Tensor]]
    ) -> None:
        # tensors in a list are no outputs to autograd, which would wrap each of them
        ctx.shapes = inputs[2:5]
        ctx.save_for_backward(*inputs[:2], *inputs[5:], *output[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: None) -> tuple[Tensor | None, ...]:
        x, flat, exponents, shrinks, *kept = ctx.saved_tensors  # recomputation allows one look
        layout = Layout(*ctx.shapes, exponents, shrinks)
        if torch.is_grad_enabled():
            kept = evaluate(x, flat, layout)[1]
        of_x, of_flat = pull_back(grad, flat, layout, kept, ctx.needs_input_grad[1])
        return of_x, of_flat, *[None] * 5


def _is_innermost(x: Tensor) -> bool:
    """Whether the batch is innermost in memory; then it is so in all of the stream."""
    return x.stride(0) == 1 and x.shape[1] > 1


def _parts(
    flat: Tensor, groups: Sequence[tuple[int, int, int]], exponents: Tensor
) -> tuple[Tensor, ...]:
    """Directions of each group, gains and biases, logarithms of slopes."""
    return torch.split_with_sizes(flat, [n * width for _, n, width in groups] + [*exponents.shape])


def _cut(items: Sequence[Tensor], sizes: Sequence[int]) -> list[list[Tensor]]:
    rest = iter(items)
    return [list(islice(rest, size)) for size in sizes]


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
