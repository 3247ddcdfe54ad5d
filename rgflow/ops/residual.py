"""The residual net of RG-Flow with a hand-written gradient, including weight normalisation.

The slopes of the swishes are folded into the neighbouring weights,
``x sigmoid(beta x) = silu(beta x) / beta``, which costs nothing per sample. On small blocks the
number of small operations limits such a net, not its matrix products.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rgflow.ops.contract import FastNet, NetResult, Prepared
from rgflow.ops.tensors import stacked

SHRINK = 0.5**0.5
"""Factor on each residual sum, which preserves the variance."""


class ResidualMaps(NamedTuple):
    """Prepared weights, in the order in which the maps act.

    Attributes:
        weights: ``(nets, out, in)`` for each map, or ``(out, in)`` for one net.
        biases: ``(nets, out)`` for each map, or ``(out,)`` for one net.
        slopes: ``(nets,)`` or ``()``: beta of the first swish of each block and of the final
            swish. Where this tuple holds gradients, they are those in ``ln beta``.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    slopes: tuple[Tensor, ...]


class NormedGroup(NamedTuple):
    """Weight normalisation of a `Group` of maps, with the rows of all nets in one matrix.

    Attributes:
        direction: v, ``(rows, width)``.
        gain: ``(rows, 1)``.
        norm: ``|v|``, ``(rows, 1)``.
    """

    direction: Tensor
    gain: Tensor
    norm: Tensor


class SavedPreparation(NamedTuple):
    """Saved tensors for the vjp of the preparation.

    Attributes:
        factors: Products of slopes and `SHRINK` that multiply gains and biases.
        gains_and_biases: The parameters that they multiply, ``(nets, 2 * all rows)``.
        groups: Weight normalisation of each group.
    """

    factors: Tensor
    gains_and_biases: Tensor
    groups: tuple[NormedGroup, ...]


class Group(NamedTuple):
    """Maps with equally many inputs, whose rows are stored as one matrix.

    Attributes:
        maps: Number of maps.
        rows: Number of rows of all of them.
        width: Number of their inputs.
    """

    maps: int
    rows: int
    width: int


@dataclass(frozen=True)
class FastResidual(FastNet):
    """Residual blocks ``x <- (x + f(x)) / sqrt 2`` and a final ``linear(swish(x))``.

    ``f`` is ``swish, linear`` three times, with ``swish(v) = v sigmoid(beta v)`` and rows of
    weights ``gain v / |v|``. There is one parameter tensor: all ``v``, then the gains of all rows,
    their biases, and ``ln beta`` of the swish before each map.

    Args:
        shapes: ``(out, in)`` of the maps in the order in which they act, three for each block and
            the final one.
        order: Indices of the maps in the order in which the parameter stores them; maps with
            equally many inputs are neighbours.
    """

    shapes: tuple[tuple[int, int], ...]
    order: tuple[int, ...]

    @property
    def inputs(self) -> int:
        """Features of the input."""
        return self.shapes[0][1]

    @property
    def outputs(self) -> int:
        """Features of the output."""
        return self.shapes[-1][0]

    def prepare(self, parameters: Sequence[Sequence[Tensor]], dtype: torch.dtype) -> Prepared:
        """See the base class."""
        groups, rows = _groups(self), [self.shapes[layer][0] for layer in self.order]
        flats = stacked([own[0] for own in parameters])
        sizes = [group.rows * group.width for group in groups]
        sizes += [2 * sum(rows), len(rows)]
        *parts, gains_and_biases, log_slopes = torch.split_with_sizes(flats, sizes, 1)
        nets = len(parameters)
        exponents, shrinks = _exponents(self, flats.dtype, flats.device)
        factors = torch.addmm(shrinks, log_slopes, exponents.T, beta=math.log(SHRINK)).exp()
        slopes = log_slopes.exp().to(dtype).unbind(1)[::3]
        gains, biases = (gains_and_biases * factors).chunk(2, 1)
        gains = torch.split_with_sizes(gains, [group.rows for group in groups], 1)
        normed, in_order = [], []
        start = 0
        for part, gain, group in zip(parts, gains, groups, strict=True):
            direction, gain = part.reshape(-1, group.width), gain.reshape(-1, 1)
            weight, norm = torch._weight_norm_interface(direction, gain, 0)
            normed.append(NormedGroup(direction, gain, norm))
            weight = weight.to(dtype).view(nets, group.rows, group.width)
            in_order += torch.split_with_sizes(weight, rows[start : start + group.maps], 1)
            start += group.maps
        biases_in_order = torch.split_with_sizes(biases.to(dtype), rows, 1)
        weights, offsets = [flats] * len(rows), [flats] * len(rows)
        for layer, weight, bias in zip(self.order, in_order, biases_in_order, strict=True):
            weights[layer], offsets[layer] = weight, bias
        return Prepared(
            ResidualMaps(tuple(weights), tuple(offsets), slopes),
            SavedPreparation(factors, gains_and_biases, tuple(normed)),
        )

    def forward(self, x: Tensor, weights: ResidualMaps) -> NetResult:
        """See the base class; it saves what enters the swish before each map."""
        count = len(self.shapes)
        innermost = _is_innermost(x)
        inputs = []
        stream = h = x
        for layer, (weight, bias) in enumerate(zip(weights.weights, weights.biases, strict=True)):
            inputs.append(h)
            if layer % 3 == 0:
                stream = h
                h = h * weights.slopes[layer // 3]
            h = F.silu(h)
            if innermost and (layer % 3 == 2 or layer + 1 == count):
                h = torch.addmm(bias[:, None], weight, h.T).T
            else:
                h = F.linear(h, weight, bias)
            if layer % 3 == 2:
                h = torch.add(h, stream, alpha=SHRINK)
        return NetResult(h, tuple(inputs))

    def vjp(
        self, grad: Tensor, weights: ResidualMaps, saved: tuple[Tensor, ...], *, of_weights: bool
    ) -> tuple[Tensor, ResidualMaps | tuple[()]]:
        """See the base class."""
        count = len(self.shapes)
        found_weights, found_biases, found_slopes = [], [], []
        residual = grad
        innermost = _is_innermost(saved[0])
        for layer in reversed(range(count)):
            if layer % 3 == 2:
                residual = grad
            first = layer % 3 == 0
            slope = weights.slopes[layer // 3]
            h = saved[layer] * slope if first else saved[layer]
            if of_weights:
                found_weights.append(grad.T @ F.silu(h))  # cheaper than to save it
                found_biases.append(grad.sum(0))
            weight = weights.weights[layer]
            grad = (weight.T @ grad.T).T if first and innermost else grad @ weight
            grad = torch.ops.aten.silu_backward(grad, h)
            if first:
                if of_weights:
                    found_slopes.append((grad * h).sum())
                grad = grad * slope
                if layer + 1 < count:
                    grad = torch.add(grad, residual, alpha=SHRINK)
        if not of_weights:
            return grad, ()
        return grad, ResidualMaps(
            tuple(found_weights[::-1]), tuple(found_biases[::-1]), tuple(found_slopes[::-1])
        )

    def prepare_vjp(self, of_weights: ResidualMaps, saved: SavedPreparation) -> list[Tensor]:
        """See the base class."""
        factors = saved.factors
        count, nets = len(self.order), len(factors)
        of_directions, of_gains = [], []
        start = 0
        for group, (direction, gain, norm) in zip(_groups(self), saved.groups, strict=True):
            members = self.order[start : start + group.maps]
            start += group.maps
            of_weight = torch.cat([of_weights.weights[layer] for layer in members], 1)
            of_direction, of_gain = torch.ops.aten._weight_norm_interface_backward(
                of_weight.to(direction.dtype).view(-1, group.width), direction, gain, norm, 0
            )
            of_directions.append(of_direction.view(nets, -1))
            of_gains.append(of_gain.view(nets, -1))
        of_biases = [of_weights.biases[layer] for layer in self.order]
        scaled = torch.cat([*of_gains, *of_biases], 1).to(factors.dtype) * factors
        zeros = factors.new_zeros(nets)
        columns = [zeros if i % 3 else of_weights.slopes[i // 3] for i in range(count)]
        directly = torch.stack(columns, 1).to(factors.dtype)
        exponents, _ = _exponents(self, factors.dtype, factors.device)
        of_log_slopes = torch.addmm(directly, scaled * saved.gains_and_biases, exponents)
        return [torch.cat([*of_directions, scaled, of_log_slopes], 1)]


@functools.lru_cache(maxsize=256)
def _groups(net: FastResidual) -> tuple[Group, ...]:
    """The groups, in the order in which the parameter stores them."""
    widths = list(dict.fromkeys(net.shapes[layer][1] for layer in net.order))
    members = [[s for s in net.shapes if s[1] == width] for width in widths]
    return tuple(
        Group(len(shapes), sum(rows for rows, _ in shapes), width)
        for shapes, width in zip(members, widths, strict=True)
    )


@functools.lru_cache(maxsize=256)
def _exponents(
    net: FastResidual, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Exponents of the slopes and of the residual factor in the factors of gains and biases.

    Map l reads ``silu(beta_l v) / beta_l``, so that its gains are divided by beta_l. Where another
    swish follows inside the block, its gains and biases are multiplied by the slope of that swish;
    those of the last map of a block are multiplied by `SHRINK` instead.

    Returns:
        ``(2 * all rows, maps)`` and ``(2 * all rows,)``: first the gains, then the biases.
    """
    count = len(net.shapes)
    of_gain, of_bias = torch.zeros(2, count, count + 1)
    for layer in range(count):
        of_gain[layer, layer] -= 1
        for exponents in (of_gain, of_bias):
            if layer + 1 < count:
                exponents[layer, layer + 1 if layer % 3 < 2 else -1] += 1
    of_row = torch.tensor([layer for layer in net.order for _ in range(net.shapes[layer][0])])
    both = torch.cat((of_gain[of_row], of_bias[of_row])).to(device, dtype)
    return both[:, :-1], both[:, -1]


def _is_innermost(x: Tensor) -> bool:
    """Whether the batch is innermost in memory, as it then is in the whole residual stream."""
    return x.stride(0) == 1 and x.shape[1] > 1
