"""The residual net of RG-Flow, with weight normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgflow.conditioners.mlp import check_at_least_one
from rgflow.ops import FastNet, FastPerceptron, FastResidual, FastSequence
from rgflow.ops.contract import HasFasterWay
from rgflow.runtime.counts import takes_counts


class ResidualMLP(HasFasterWay, nn.Module):
    """The residual net of RG-Flow: ``x <- (x + f(x)) / sqrt 2``, ``blocks`` times.

    ``f`` is pre-activated and has two hidden layers, ``swish -> linear -> swish -> linear ->
    swish -> linear``; a final ``linear(swish(x))`` gives the output. Every swish,
    ``x sigmoid(beta x)``, has its own learnable slope beta > 0. These linear maps are
    weight-normalised, ``W = gain v / |v|`` row by row (arXiv:1602.07868). Gain and bias of the
    final map start at zero, so that a new coupling is the identity.

    Args:
        inputs: Features of the input.
        outputs: Features of the output.
        width: Width of the residual stream. If it is not ``inputs``, a plain linear map comes
            first; None means ``inputs``.
        hidden: Width of the hidden layers.
        blocks: Number of residual blocks.

    Raises:
        ValueError: For numbers below 1.

    Reference: arXiv:2010.00029, supplementary material.

    >>> ResidualMLP(4, 8, width=8, hidden=16, blocks=2)(torch.randn(3, 4)).shape
    torch.Size([3, 8])
    """

    radius = 0

    @takes_counts
    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int | None = None,
        hidden: int = 512,
        blocks: int = 4,
    ) -> None:
        super().__init__()
        width = inputs if width is None else width
        check_at_least_one(
            inputs=inputs, outputs=outputs, width=width, hidden=hidden, blocks=blocks
        )
        self.entry = None if width == inputs else nn.Linear(inputs, width)
        block = ((hidden, width), (hidden, hidden), (width, hidden))
        self.shapes = (*block * blocks, (outputs, width))
        # maps with equally many inputs are stored together, groups in the order of their first map
        widths = [columns for _, columns in self.shapes]
        layers = range(len(self.shapes))
        self.order = tuple(sorted(layers, key=lambda layer: widths.index(widths[layer])))
        drawn = [nn.Linear(columns, rows) for rows, columns in self.shapes]
        weights = [linear.weight.detach() for linear in drawn]
        gains = [weight.norm(dim=1) for weight in weights[:-1]] + [torch.zeros(outputs)]
        biases = [linear.bias.detach() for linear in drawn[:-1]] + [torch.zeros(outputs)]
        ordered = [
            part[layer].flatten() for part in (weights, gains, biases) for layer in self.order
        ]
        # one tensor: all v, all gains, all biases, and ln beta of the swish before each map; many
        # small tensors would cost more time in the optimizer than in the net
        self.flat = nn.Parameter(torch.cat([*ordered, torch.zeros(len(drawn))]))
        fast: FastNet = FastResidual(self.shapes, self.order)
        if self.entry is not None:
            fast = FastSequence(FastPerceptron((inputs, width), ()), fast, parameters_of_first=2)
        self._fast = fast

    @property
    def fast(self) -> FastNet:
        """The same net with a hand-written gradient."""
        return self._fast

    def parameter_list(self) -> list[Tensor]:
        """The parameters of the plain linear map, if there is one, then the flat tensor."""
        entry = () if self.entry is None else (self.entry.weight, self.entry.bias)
        return [*entry, self.flat]

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs) -> (N, outputs)``."""
        directions, gains, biases, slopes = self._maps()
        h = x if self.entry is None else self.entry(x)
        for layer in range(len(self.shapes)):
            if layer % 3 == 0:
                stream = h
            h = h * torch.sigmoid(slopes[layer] * h)
            weight = gains[layer][:, None] * F.normalize(directions[layer], dim=1)
            h = F.linear(h, weight, biases[layer])
            if layer % 3 == 2:
                h = (h + stream) * 0.5**0.5
        return h

    def _maps(self) -> tuple[dict[int, Tensor], dict[int, Tensor], dict[int, Tensor], Tensor]:
        """v, gains and biases by the number of the map, and the slopes beta of all swishes."""
        shapes = [self.shapes[layer] for layer in self.order]
        rows = [count for count, _ in shapes]
        sizes = [count * width for count, width in shapes]
        parts = self.flat.split([*sizes, *rows, *rows, len(rows)])
        count = len(rows)
        views = (part.view(shape) for part, shape in zip(parts, shapes, strict=False))
        directions = dict(zip(self.order, views, strict=True))
        gains = dict(zip(self.order, parts[count : 2 * count], strict=True))
        biases = dict(zip(self.order, parts[2 * count : 3 * count], strict=True))
        return directions, gains, biases, parts[-1].exp()
