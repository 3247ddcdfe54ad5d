"""The residual net of RG-Flow."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgflow.conditioners.mlp import check_at_least_one
from rgflow.ops import FastNet, FastPerceptron, FastResidual, FastSequence
from rgflow.ops.contract import HasFasterWay
from rgflow.runtime.counts import takes_counts


class ResidualMLP(HasFasterWay, nn.Module):
    """The residual network of RG-Flow: ``x <- (x + f(x)) / sqrt 2``, ``blocks`` times.

    ``f`` is pre-activated and has two hidden layers, ``swish -> linear -> swish -> linear ->
    swish -> linear``; ``linear(swish(x))`` closes the net. Every swish, ``x sigmoid(beta x)``, has
    a learnable slope beta > 0 of its own. Every linear map is weight-normalised,
    ``W = gain v / |v|`` by rows (arXiv:1602.07868). The gain of the closing map is the output
    scale and starts at zero.

    Args:
        inputs: Features read.
        outputs: Features given.
        width: Width of the residual stream; None takes the inputs themselves for it, without a
            linear map in front.
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
        # maps that read equally many features lie together, in the order of their first member
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
        # one tensor: all v, then the gains of all rows, their biases, and ln beta in front of each
        # map; small tensors cost more in the optimizer than in the net
        self.flat = nn.Parameter(torch.cat([*ordered, torch.zeros(len(drawn))]))
        fast: FastNet = FastResidual(self.shapes, self.order)
        if self.entry is not None:
            fast = FastSequence(FastPerceptron((inputs, width), ()), fast, parameters_of_first=2)
        self._fast = fast

    @property
    def fast(self) -> FastNet:
        """The same with a hand-written gradient."""
        return self._fast

    def parameter_list(self) -> list[Tensor]:
        """Those of the linear map in front, if there is one, then the flat parameters."""
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
        """v, gains and biases of each map by its number, and the slopes of all swishes."""
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
