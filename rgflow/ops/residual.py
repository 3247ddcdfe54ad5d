"""The residual net of RG-Flow and its gradient in plain operations, weight norm included.

For several nets that are alike the weights are prepared at once: on small blocks a net like this
is bound by the number of small operations, not by its matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.ops.fused import stacked

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


def prepare(
    flats: Sequence[Tensor], layout: Layout, dtype: torch.dtype
) -> tuple[list[Tensor], list[Tensor]]:
    """What `evaluate` wants of nets that are alike, made for all of them at once.

    Args:
        flats: Of each net all ``v`` as they lie, then the gains of all rows, their biases, and
            ``ln beta`` of the swish in front of each map. One tensor, because small ones cost
            more in the optimizer than in the net.
        layout: Of the maps.
        dtype: Of the nets' inputs.

    Returns:
        Weights ``(nets, out, in)`` of all maps in the order in which they act, their biases
        ``(nets, out)``, and ``(nets,)`` of the slope in front of each block and of the closing
        map; and what `collect` needs beside: factors, gains and biases, and by group directions,
        gains and norms.
    """
    order, rows, groups, exponents, shrinks = layout
    *parts, gains_and_biases, log_slopes = _parts(flats, layout)
    nets = len(flats)
    factors = torch.addmm(shrinks, log_slopes, exponents.T, beta=math.log(SHRINK)).exp()
    stream_slopes = log_slopes.exp().to(dtype).unbind(1)[::3]
    gains, biases = (gains_and_biases * factors).chunk(2, 1)
    gains = torch.split_with_sizes(gains, [count for _, count, _ in groups], 1)
    aside, lying = [factors, gains_and_biases], []
    start = 0
    for part, gain, (maps, count, width) in zip(parts, gains, groups, strict=True):
        direction, gain = part.reshape(-1, width), gain.reshape(-1, 1)
        weight, norm = torch._weight_norm_interface(direction, gain, 0)
        aside += [direction, gain, norm]
        weight = weight.to(dtype).view(nets, count, width)
        lying += torch.split_with_sizes(weight, rows[start : start + maps], 1)
        start += maps
    lying_biases = torch.split_with_sizes(biases.to(dtype), rows, 1)
    weights, offsets = list(lying), list(lying_biases)
    for layer, weight, offset in zip(order, lying, lying_biases, strict=True):
        weights[layer], offsets[layer] = weight, offset
    return [*weights, *offsets, *stream_slopes], aside


def evaluate(x: Tensor, ready: Sequence[Tensor], layout: Layout) -> tuple[Tensor, list[Tensor]]:
    """Residual blocks ``x <- (x + f(x)) / sqrt 2`` and a closing ``linear(swish(x))``.

    ``f`` is ``swish, linear`` three times, with ``swish(v) = v sigmoid(beta v)`` and rows of
    weights ``gain v / |v|``.

    Args:
        x: ``(N, width)``.
        ready: The net's own part of what `prepare` made.
        layout: Of the maps.

    Returns:
        The output and the inputs of all maps, which `pull_back` needs.
    """
    count = len(layout.order)
    slopes = ready[2 * count :]
    innermost = _is_innermost(x)
    inputs = []
    stream = h = x
    for layer, (weight, offset) in enumerate(zip(ready[:count], ready[count:], strict=False)):
        inputs.append(h)
        if layer % 3 == 0:
            stream = h
            h = h * slopes[layer // 3]
        h = F.silu(h)
        if innermost and (layer % 3 == 2 or layer + 1 == count):
            h = torch.addmm(offset[:, None], weight, h.T).T
        else:
            h = F.linear(h, weight, offset)
        if layer % 3 == 2:
            h = torch.add(h, stream, alpha=SHRINK)
    return h, inputs


def pull_back(
    grad: Tensor,
    ready: Sequence[Tensor],
    inputs: Sequence[Tensor],
    layout: Layout,
    of_ready: bool = True,
) -> tuple[Tensor, list[Tensor]]:
    """Gradients of `evaluate` in x and, if asked for, in ``ready``, else none.

    Instead of that in a slope it gives that in its logarithm.

    Args:
        grad: Gradient of its output, ``(N, outputs)``.
        ready: As it was given to it.
        inputs: What it returned beside the output.
        layout: As it was given to it.
        of_ready: Whether the gradients in ``ready`` are wanted.
    """
    count = len(layout.order)
    slopes = ready[2 * count :]
    of_weights, of_biases, of_slopes = [], [], []
    residual = grad
    innermost = _is_innermost(inputs[0])
    for layer in reversed(range(count)):
        if layer % 3 == 2:
            residual = grad
        first = layer % 3 == 0
        slope = slopes[layer // 3]
        h = inputs[layer] * slope if first else inputs[layer]
        if of_ready:
            of_weights.append(grad.T @ F.silu(h))  # cheaper than to fetch it from memory
            of_biases.append(grad.sum(0))
        weight = ready[layer]
        grad = (weight.T @ grad.T).T if first and innermost else grad @ weight
        grad = _silu_backward(grad, h)
        if first:
            if of_ready:
                of_slopes.append((grad * h).sum())
            grad = grad * slope
            if layer + 1 < count:
                grad = torch.add(grad, residual, alpha=SHRINK)
    return grad, [*of_weights[::-1], *of_biases[::-1], *of_slopes[::-1]]


def collect(of_ready: Sequence[Tensor], layout: Layout, aside: Sequence[Tensor]) -> Tensor:
    """Gradients in the parameters of `prepare`, ``(nets, parameters)``.

    Args:
        of_ready: Gradients from `pull_back`, stacked.
        layout: As given to it.
        aside: As it returned it.
    """
    order, _, groups, exponents, _ = layout
    factors, gains_and_biases, *of_groups = aside
    count, nets = len(order), len(factors)
    of_directions, of_gains = [], []
    start = 0
    for maps, _, width in groups:
        members = order[start : start + maps]
        start += maps
        direction, gain, norm, *of_groups = of_groups
        of_weight = torch.cat([of_ready[layer] for layer in members], 1).to(direction.dtype)
        of_direction, of_gain = _weight_norm_backward(
            of_weight.view(-1, width), direction, gain, norm
        )
        of_directions.append(of_direction.view(nets, -1))
        of_gains.append(of_gain.view(nets, -1))
    by_bias = [of_ready[count + layer] for layer in order]
    scaled = torch.cat([*of_gains, *by_bias], 1).to(factors.dtype) * factors
    of_slopes, zeros = of_ready[2 * count :], factors.new_zeros(nets)
    columns = [zeros if layer % 3 else of_slopes[layer // 3] for layer in range(count)]
    directly = torch.stack(columns, 1).to(factors.dtype)
    by_slope = torch.addmm(directly, scaled * gains_and_biases, exponents)
    return torch.cat([*of_directions, scaled, by_slope], 1)


def _is_innermost(x: Tensor) -> bool:
    """Whether the batch is innermost in memory; then it is so in all of the stream."""
    return x.stride(0) == 1 and x.shape[1] > 1


def _parts(flats: Sequence[Tensor], layout: Layout) -> tuple[Tensor, ...]:
    """Directions of each group, gains and biases, logarithms of slopes, by net."""
    sizes = [count * width for _, count, width in layout.groups] + [*layout.exponents.shape]
    return torch.split_with_sizes(stacked(flats), sizes, 1)


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
