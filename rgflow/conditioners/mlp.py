"""Networks inside couplings: they read one half and give the parameters for the other half.

Each maps ``(N, inputs, ...)`` to ``(N, outputs, ...)`` from one trunk; the coupling cuts the
outputs into its heads (log-scales, shifts, ...). All start at zero output, so that a new flow is
the identity. ``radius`` says how many cells away on each side an output still sees an input (0
inside a block).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rgflow.ops import perceptron, residual
from rgflow.ops.contract import ExplicitNet, Perceptron
from rgflow.ops.layers import Layers, activation
from rgflow.ops.residual import Layout, make_layout
from rgflow.ops.residual_function import residual_net


def check_positive(**numbers: int) -> None:
    """ValueError for the first number below 1, by its name."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name}: got {number}, expected at least 1")


class ResidualMLP(ExplicitNet):
    """The residual network of RG-Flow: ``x <- (x + f(x)) / sqrt 2``, ``blocks`` times.

    ``f`` is pre-activated and has two hidden layers, ``swish -> linear -> swish -> linear ->
    swish -> linear``, every swish ``x sigmoid(beta x)`` with its own learnable beta > 0, every
    linear map weight-normalised, ``W = gain v / |v|`` by rows (arXiv:1602.07868). The slopes are
    folded into the neighbouring weights,
    ``x sigmoid(beta x) = silu(beta x) / beta``, which costs nothing per sample. The gain of the
    closing layer is the output scale and starts at zero.

    Args:
        inputs: Features read.
        outputs: Features given.
        width: Width of the residual stream; None takes the inputs themselves for it, without a
            linear map in front.
        hidden: Width of the hidden layers.
        blocks: Number of residual blocks.

    Reference: arXiv:2010.00029, supplementary material.

    >>> ResidualMLP(4, 8, width=8, hidden=16, blocks=2)(torch.randn(3, 4)).shape
    torch.Size([3, 8])
    """

    batch_innermost = False

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
        check_positive(inputs=inputs, outputs=outputs, width=width, hidden=hidden)
        self.outputs = outputs
        self.entry = None if width == inputs else nn.Linear(inputs, width)
        block = ((hidden, width), (hidden, hidden), (width, hidden))
        self.shapes = (*block * blocks, (outputs, width))
        drawn = [nn.Linear(columns, rows) for rows, columns in self.shapes]
        weights = [linear.weight.detach() for linear in drawn]
        gains = [weight.norm(dim=1) for weight in weights[:-1]] + [torch.zeros(outputs)]
        biases = [linear.bias.detach() for linear in drawn[:-1]] + [torch.zeros(outputs)]
        *self._lying, exponents, shrinks = make_layout(self.shapes)
        order = self._lying[0]
        lying = [values[layer].flatten() for values in (weights, gains, biases) for layer in order]
        self.flat = nn.Parameter(torch.cat([*lying, torch.zeros(len(drawn))]))
        self.register_buffer("exponents", exponents, persistent=False)
        self.register_buffer("shrinks", shrinks, persistent=False)
        self.kind = ("residual", inputs, self.shapes)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs) -> (N, outputs)``."""
        if self.entry is not None:
            x = self.entry(x)
        return residual_net(x, self.flat, self._layout())

    def tensors(self) -> list[Tensor]:
        """The flat parameters, then those of the linear map in front, if there is one."""
        return [self.flat, *(() if self.entry is None else self.entry.parameters())]

    def prepare(
        self, tensors: Sequence[Sequence[Tensor]], dtype: torch.dtype
    ) -> tuple[list[Tensor], list[Tensor]]:
        """See the base class."""
        flats, *entry = zip(*tensors, strict=True)
        ready, aside = residual.prepare(flats, self._layout(), dtype)
        if entry:
            weights = [weight.flatten() for weight in entry[0]]
            ready = perceptron.prepare(weights, entry[1], self._entry_layers(), dtype) + ready
        return ready, aside

    def evaluate(self, x: Tensor, ready: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        if self.entry is None:
            return residual.evaluate(x, ready, self._layout())
        x, first = perceptron.evaluate(x, ready[:2], self._entry_layers())
        out, kept = residual.evaluate(x, ready[2:], self._layout())
        return out, first + kept

    def pull_back(
        self, grad: Tensor, ready: Sequence[Tensor], kept: Sequence[Tensor], of_ready: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        if self.entry is None:
            return residual.pull_back(grad, ready, kept, self._layout(), of_ready)
        grad, later = residual.pull_back(grad, ready[2:], kept[1:], self._layout(), of_ready)
        layers = self._entry_layers()
        grad, first = perceptron.pull_back(grad, ready[:2], kept[:1], layers, of_ready)
        return grad, first + later

    def collect(self, of_ready: Sequence[Tensor], aside: Sequence[Tensor]) -> list[Tensor]:
        """See the base class."""
        first = 0 if self.entry is None else 2
        of_flats = residual.collect(of_ready[first:], self._layout(), aside)
        if self.entry is None:
            return [of_flats]
        of_weights, of_biases = perceptron.collect(of_ready[:2], self._entry_layers())
        return [of_flats, of_weights.view(-1, *self.entry.weight.shape), of_biases]

    def _entry_layers(self) -> Layers:
        return Layers((tuple(self.entry.weight.shape),))

    def _layout(self) -> Layout:
        return Layout(*self._lying, self.exponents, self.shrinks)


class MLP(ExplicitNet):
    """Plain perceptron; its last layer starts at zero.

    Args:
        inputs: Features read.
        outputs: Features given.
        hidden: Widths of the hidden layers.
        nonlinearities: Name of the pointwise function, or one name per hidden layer.

    Raises:
        ValueError: For unknown names, another number of names, or numbers below 1.

    >>> MLP(4, 8, hidden=(16, 16))(torch.randn(3, 4)).shape
    torch.Size([3, 8])
    """

    batch_innermost = True

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (64, 64),
        nonlinearities: str | Sequence[str] = "silu",
    ) -> None:
        super().__init__()
        check_positive(inputs=inputs, outputs=outputs, hidden=min(hidden, default=1))
        names = (
            [nonlinearities] * len(hidden) if isinstance(nonlinearities, str) else nonlinearities
        )
        if len(names) != len(hidden):
            raise ValueError(f"got {len(names)} activations for {len(hidden)} hidden layers")
        self.outputs = outputs
        sizes = [inputs, *hidden, outputs]
        drawn = list(map(nn.Linear, sizes[:-1], sizes[1:]))
        nn.init.zeros_(drawn[-1].weight)
        nn.init.zeros_(drawn[-1].bias)
        shapes = tuple(tuple(linear.weight.shape) for linear in drawn)
        self.layers = Layers(shapes, tuple(activation(name) for name in names))
        # one tensor each, because small ones cost more in the optimizer than in the net
        self.weights = nn.Parameter(torch.cat([d.weight.detach().flatten() for d in drawn]))
        self.biases = nn.Parameter(torch.cat([d.bias.detach() for d in drawn]))
        self.kind = ("perceptron", self.layers)
        if type(self) is MLP:  # what a subclass says counts
            self.perceptrons = (Perceptron(tuple(sizes), tuple(names)),)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs) -> (N, outputs)``."""
        return self.run(x)

    def tensors(self) -> list[Tensor]:
        """Weights, then biases of all linear maps."""
        return [self.weights, self.biases]

    def prepare(
        self, tensors: Sequence[Sequence[Tensor]], dtype: torch.dtype
    ) -> tuple[list[Tensor], list[Tensor]]:
        """See the base class."""
        weights, biases = zip(*tensors, strict=True)
        return perceptron.prepare(weights, biases, self.layers, dtype), []

    def evaluate(self, x: Tensor, ready: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        return perceptron.evaluate(x, ready, self.layers)

    def pull_back(
        self, grad: Tensor, ready: Sequence[Tensor], kept: Sequence[Tensor], of_ready: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        return perceptron.pull_back(grad, ready, kept, self.layers, of_ready)

    def collect(self, of_ready: Sequence[Tensor], aside: Sequence[Tensor]) -> list[Tensor]:
        """See the base class."""
        return list(perceptron.collect(of_ready, self.layers))
