"""Networks inside couplings: they read one half and give the parameters for the other half.

Each maps ``(N, inputs, ...)`` to ``(N, outputs, ...)`` from one trunk; the coupling cuts the outputs
into its heads (log-scales, shifts, ...). All start at zero output, so that a new flow is the identity.
``radius`` says how many cells away on each side an output still sees an input (0 inside a block).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS = {"silu": F.silu, "elu": F.elu, "tanh": torch.tanh, "relu": F.relu, "gelu": F.gelu}


def activation(name: str) -> object:
    """The pointwise function of that name; ValueError if there is none."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation {name!r} is unknown, expected one of {sorted(ACTIVATIONS)}")
    return ACTIVATIONS[name]


class ResidualMLP(nn.Module):
    """The residual network of RG-Flow: ``x <- (x + f(x)) / sqrt 2``, ``blocks`` times.

    ``f`` is pre-activated and has two hidden layers, ``swish -> linear -> swish -> linear -> swish ->
    linear``, every linear map weight-normalised, every swish ``x sigmoid(beta x)`` with its own learnable
    beta. The slopes are folded into the neighbouring weights (``x sigmoid(beta x) = silu(beta x) / beta``),
    so that each costs a product with a small matrix instead of two passes over the activations.

    Args:
        inputs: Features read.
        outputs: Features given; scaled by a learnable vector that starts at zero.
        width: Width of the residual stream; the inputs themselves where it equals ``inputs``.
        hidden: Width of the hidden layers.
        blocks: Number of residual blocks.

    Reference: arXiv:2010.00029, supplementary material.

    >>> ResidualMLP(4, 8, width=8, hidden=16, blocks=2)(torch.randn(3, 4)).shape
    torch.Size([3, 8])
    """

    radius = 0

    def __init__(
        self, inputs: int, outputs: int, width: int = 48, hidden: int = 512, blocks: int = 4
    ) -> None:
        super().__init__()
        self.entry = None if width == inputs else nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(_ResidualBlock(width, hidden) for _ in range(blocks))
        self.exit = _NormedLinear(width, outputs)
        self.slope = nn.Parameter(torch.ones(()))
        self.output_scale = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs) -> (N, outputs)``."""
        if self.entry is not None:
            x = self.entry(x)
        for block in self.blocks:
            x = block(x)
        weight, bias = self.exit.folded(self.output_scale / self.slope, self.output_scale)
        return F.linear(F.silu(x * self.slope), weight, bias)


class _ResidualBlock(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        sizes = [width, hidden, hidden, width]
        self.linears = nn.ModuleList(map(_NormedLinear, sizes[:-1], sizes[1:]))
        self.slopes = nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        s0, s1, s2 = self.slopes.unbind()
        first, second, third = self.linears
        h = F.silu(x * s0)
        h = F.silu(F.linear(h, *first.folded(s1 / s0, s1)))
        h = F.silu(F.linear(h, *second.folded(s2 / s1, s2)))
        h = F.linear(h, *third.folded(1 / s2, None))
        return (x + h) * 0.5**0.5


class _NormedLinear(nn.Module):
    """Linear map with weight ``gain * v / |v|`` by rows (weight norm, arXiv:1602.07868)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        linear = nn.Linear(inputs, outputs)
        self.direction = nn.Parameter(linear.weight.detach().clone())
        self.gain = nn.Parameter(linear.weight.detach().norm(dim=1, keepdim=True))
        self.bias = nn.Parameter(linear.bias.detach().clone())

    def folded(self, weight_factor: Tensor, bias_factor: Tensor | None) -> tuple[Tensor, Tensor]:
        """Weight and bias with factors (scalars or one per output) multiplied in."""
        factor = weight_factor[:, None] if weight_factor.dim() else weight_factor
        weight = torch._weight_norm(self.direction, self.gain * factor, 0)
        return weight, self.bias if bias_factor is None else self.bias * bias_factor


class MLP(nn.Module):
    """Plain perceptron with one output scale that starts at zero.

    Args:
        inputs: Features read.
        outputs: Features given.
        hidden: Widths of the hidden layers.
        nonlinearities: Name of the pointwise function, or one name per hidden layer.

    >>> MLP(4, 8, hidden=(16, 16))(torch.randn(3, 4)).shape
    torch.Size([3, 8])
    """

    radius = 0

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int] = (64, 64),
        nonlinearities: str | Sequence[str] = "silu",
    ) -> None:
        super().__init__()
        names = (
            [nonlinearities] * len(hidden) if isinstance(nonlinearities, str) else nonlinearities
        )
        if len(names) != len(hidden):
            raise ValueError(f"got {len(names)} activations for {len(hidden)} hidden layers")
        self.activations = [activation(name) for name in names]
        sizes = [inputs, *hidden, outputs]
        self.linears = nn.ModuleList(map(nn.Linear, sizes[:-1], sizes[1:]))
        nn.init.zeros_(self.linears[-1].weight)
        nn.init.zeros_(self.linears[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs) -> (N, outputs)``."""
        for linear, function in zip(self.linears, self.activations, strict=False):
            x = function(linear(x))
        return self.linears[-1](x)


class ConvNet(nn.Module):
    """Small convolutional net on a periodic lattice, optionally aware of the position.

    Args:
        inputs: Channels read.
        outputs: Channels given; the last convolution starts at zero.
        hidden: Channels in between.
        kernels: Odd kernel sides; the radius is ``sum (k - 1) / 2``.
        nonlinearity: Name of the pointwise function.
        sites: Side of the lattice for a learnable bias per site after the first convolution
            (breaks translation invariance on purpose: photographs are not periodic); None for none.

    >>> ConvNet(2, 4, hidden=8)(torch.randn(1, 2, 4, 4)).shape
    torch.Size([1, 4, 4, 4])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: int = 64,
        kernels: Sequence[int] = (3, 1, 3),
        nonlinearity: str = "silu",
        sites: int | None = None,
    ) -> None:
        super().__init__()
        if len(kernels) < 1 or any(k % 2 == 0 for k in kernels):
            raise ValueError(f"kernels need odd sides, got {tuple(kernels)}")
        self.activation = activation(nonlinearity)
        sizes = [inputs, *[hidden] * (len(kernels) - 1), outputs]
        self.convs = nn.ModuleList(map(nn.Conv2d, sizes[:-1], sizes[1:], kernels))
        self.site_bias = nn.Parameter(torch.zeros(sizes[1], sites, sites)) if sites else None
        self.radius = sum(k // 2 for k in kernels)
        nn.init.zeros_(self.convs[-1].weight)
        nn.init.zeros_(self.convs[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W) -> (N, outputs, H, W)``."""
        for i, conv in enumerate(self.convs):
            if i:
                x = self.activation(x)
            pad = conv.kernel_size[0] // 2
            if pad:
                x = F.pad(x, (pad, pad, pad, pad), mode="circular")
            x = conv(x)
            if i == 0 and self.site_bias is not None:
                x = x + self.site_bias
        return x
