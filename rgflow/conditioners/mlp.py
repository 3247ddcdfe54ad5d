"""The plain perceptron, and the activations that nets may have, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rgflow.ops import FastPerceptron
from rgflow.ops.contract import HasFasterWay
from rgflow.runtime.counts import takes_counts

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "elu": F.elu,
    "gelu": F.gelu,
    "relu": F.relu,
    "silu": F.silu,
    "tanh": torch.tanh,
}


def check_activation(name: str) -> None:
    """Raises ValueError if there is no activation of that name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r} is unknown, expected one of {sorted(ACTIVATIONS)}")


def check_at_least_one(**numbers: int) -> None:
    """Raises ValueError that names the first number below 1, if there is one."""
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name}: got {number}, expected at least 1")


class MLP(HasFasterWay, nn.Module):
    """A plain perceptron: ``linear``, then ``activation, linear`` for each hidden layer.

    The last linear map starts at zero, so that a new coupling is the identity.

    Args:
        inputs: Features of the input.
        outputs: Features of the output.
        hidden: Widths of the hidden layers.
        nonlinearities: Name of the activation, or one name for each hidden layer.

    Raises:
        ValueError: For unknown names, a wrong number of names, or numbers below 1.

    >>> MLP(4, 8, hidden=(16, 16))(torch.randn(3, 4)).shape
    torch.Size([3, 8])
    """

    radius = 0

    @takes_counts
    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (64, 64),
        nonlinearities: str | Sequence[str] = "silu",
    ) -> None:
        super().__init__()
        check_at_least_one(inputs=inputs, outputs=outputs, hidden=min(hidden, default=1))
        names = (
            [nonlinearities] * len(hidden) if isinstance(nonlinearities, str) else nonlinearities
        )
        if len(names) != len(hidden):
            raise ValueError(
                f"nonlinearities: got {len(names)}, expected one, or one for each of "
                f"{len(hidden)} hidden layers"
            )
        for name in names:
            check_activation(name)
        self.widths = (inputs, *hidden, outputs)
        self.activations = tuple(names)
        drawn = list(map(nn.Linear, self.widths[:-1], self.widths[1:]))
        nn.init.zeros_(drawn[-1].weight)
        nn.init.zeros_(drawn[-1].bias)
        # one tensor for all weights and one for all biases: many small tensors would cost more
        # time in the optimizer than in the net
        self.weights = nn.Parameter(torch.cat([d.weight.detach().flatten() for d in drawn]))
        self.biases = nn.Parameter(torch.cat([d.bias.detach() for d in drawn]))
        self._fast = FastPerceptron(self.widths, self.activations)

    @property
    def fast(self) -> FastPerceptron:
        """The same net with a hand-written gradient."""
        return self._fast

    def parameter_list(self) -> list[Tensor]:
        """The weights of all linear maps, then their biases."""
        return [self.weights, self.biases]

    def forward(self, x: Tensor) -> Tensor:
        """``(..., inputs) -> (..., outputs)``."""
        shapes = list(zip(self.widths[1:], self.widths[:-1], strict=True))
        weights = self.weights.split([rows * columns for rows, columns in shapes])
        biases = self.biases.split(list(self.widths[1:]))
        for layer, (weight, bias, shape) in enumerate(zip(weights, biases, shapes, strict=True)):
            if layer:
                x = ACTIVATIONS[self.activations[layer - 1]](x)
            x = F.linear(x, weight.view(shape), bias)
        return x
