"""Networks inside couplings: they read one half and give the parameters for the other half.

Each maps ``(N, inputs, ...)`` to ``(N, outputs, ...)`` from one trunk; the coupling cuts the
outputs into its heads (log-scales, shifts, ...). All start at zero output, so that a new flow is
the identity. ``radius`` says how many cells away on each side an output still sees an input (0
inside a block).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rgflow import perceptron, residual
from rgflow.fused import circular_pad
from rgflow.perceptron import Layers, activation
from rgflow.residual import Layout, make_layout


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name}: got {number}, expected at least 1")


def _check_kernels(kernels: Sequence[int]) -> None:
    if len(kernels) < 1 or any(k % 2 == 0 or k < 1 for k in kernels):
        raise ValueError(f"kernels need odd sides, got {tuple(kernels)}")


class ExplicitNet(nn.Module, ABC):
    """A net with a hand-written gradient, so that a chain of couplings can be one function.

    Attributes:
        outputs: Features given.
        batch_innermost: Whether it is faster on tensors ``(N, features)`` whose N is innermost in
            memory.
    """

    radius = 0
    outputs: int
    batch_innermost: bool

    @abstractmethod
    def tensors(self) -> list[Tensor]:
        """All parameters, in the order of the other methods."""

    @abstractmethod
    def evaluate(self, x: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The output, in the type of x, and what ``pull_back`` needs."""

    @abstractmethod
    def pull_back(
        self, grad: Tensor, tensors: Sequence[Tensor], kept: Sequence[Tensor], of_tensors: bool
    ) -> tuple[Tensor, list[Tensor | None]]:
        """Gradients in x and, if asked for, in the parameters."""


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
        _check_positive(inputs=inputs, outputs=outputs, width=width, hidden=hidden)
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

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs) -> (N, outputs)``."""
        if self.entry is not None:
            x = self.entry(x)
        return residual.residual_net(x, self.flat, self._layout())

    def tensors(self) -> list[Tensor]:
        """The flat parameters, then those of the linear map in front, if there is one."""
        return [self.flat, *(() if self.entry is None else self.entry.parameters())]

    def evaluate(self, x: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        flat, *entry = tensors
        if entry:
            x, first = perceptron.evaluate(x, entry[0].flatten(), entry[1], self._entry_layers())
        out, kept = residual.evaluate(x, flat, self._layout())
        return out, [*first, *kept] if entry else kept

    def pull_back(
        self, grad: Tensor, tensors: Sequence[Tensor], kept: Sequence[Tensor], of_tensors: bool
    ) -> tuple[Tensor, list[Tensor | None]]:
        """See the base class."""
        flat, *entry = tensors
        first = 2 if entry else 0
        grad, of_flat = residual.pull_back(grad, flat, self._layout(), kept[first:], of_tensors)
        if not entry:
            return grad, [of_flat]
        layers = self._entry_layers()
        grad, weight, bias = perceptron.pull_back(grad, layers, kept[:first], of_tensors)
        return grad, [of_flat, weight if weight is None else weight.view_as(entry[0]), bias]

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
        _check_positive(inputs=inputs, outputs=outputs, hidden=min(hidden, default=1))
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

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs) -> (N, outputs)``."""
        return self.evaluate(x, self.tensors())[0]

    def tensors(self) -> list[Tensor]:
        """Weights, then biases of all linear maps."""
        return [self.weights, self.biases]

    def evaluate(self, x: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        return perceptron.evaluate(x, *tensors, self.layers)

    def pull_back(
        self, grad: Tensor, tensors: Sequence[Tensor], kept: Sequence[Tensor], of_tensors: bool
    ) -> tuple[Tensor, list[Tensor | None]]:
        """See the base class."""
        grad, weights, biases = perceptron.pull_back(grad, self.layers, kept, of_tensors)
        return grad, [weights, biases]


class PatchMLP(ExplicitNet):
    """A perceptron that reads the ``k x k`` patch around every site of a periodic lattice.

    The same function as a `ConvNet` whose kernels after the first have side 1, in products of
    all sites and samples at once, which is several times as fast where channels are few.

    Args:
        inputs: Channels read.
        outputs: Channels given.
        kernel: Odd side k of the patch.
        hidden: Widths of the hidden layers.
        nonlinearities: As those of `MLP`.

    Raises:
        ValueError: For an even kernel, and as `MLP`.

    >>> PatchMLP(2, 4, kernel=3, hidden=(8,))(torch.randn(1, 2, 4, 4)).shape
    torch.Size([1, 4, 4, 4])
    """

    batch_innermost = True

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        hidden: Sequence[int] = (64, 64),
        nonlinearities: str | Sequence[str] = "silu",
    ) -> None:
        super().__init__()
        _check_kernels((kernel,))
        self.net = MLP(inputs * kernel**2, outputs, hidden, nonlinearities)
        self.kernel, self.outputs = kernel, outputs
        self.radius = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W) -> (N, outputs, H, W)``."""
        return self.evaluate(x, self.tensors())[0]

    def tensors(self) -> list[Tensor]:
        """Those of the perceptron."""
        return self.net.tensors()

    def evaluate(self, x: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        patches = self._patches(x.movedim(0, -1))
        out, kept = self.net.evaluate(patches.flatten(0, 2).flatten(1).T, tensors)
        return out.T.unflatten(1, patches.shape[3:]).movedim(-1, 0), kept

    def pull_back(
        self, grad: Tensor, tensors: Sequence[Tensor], kept: Sequence[Tensor], of_tensors: bool
    ) -> tuple[Tensor, list[Tensor | None]]:
        """See the base class."""
        lying = grad.movedim(0, -1)
        of_patches, of_net = self.net.pull_back(lying.flatten(1).T, tensors, kept, of_tensors)
        k = self.kernel
        patches = of_patches.T.unflatten(1, lying.shape[1:]).unflatten(0, (-1, k, k))
        return self._sum_of_patches(patches).movedim(-1, 0), of_net

    def _patches(self, x: Tensor) -> Tensor:
        """``(C, H, W, N)`` to ``(C, k, k, H, W, N)``."""
        if self.kernel == 1:
            return x[:, None, None]
        shifts = range(self.radius, -self.radius - 1, -1)
        rows = torch.stack([x.roll(shift, 1) for shift in shifts], 1)
        return torch.stack([rows.roll(shift, 3) for shift in shifts], 2)

    def _sum_of_patches(self, patches: Tensor) -> Tensor:
        """The adjoint of ``_patches``."""
        if self.kernel == 1:
            return patches[:, 0, 0]
        shifts = range(-self.radius, self.radius + 1)
        rows = sum(patches[:, :, i].roll(shift, 3) for i, shift in enumerate(shifts))
        return sum(rows[:, i].roll(shift, 1) for i, shift in enumerate(shifts))


class ConvNet(nn.Module):
    """Small convolutional net on a periodic lattice, optionally aware of the position.

    Args:
        inputs: Channels read.
        outputs: Channels given; the last convolution starts at zero.
        hidden: Channels in between.
        kernels: Odd kernel sides; the radius is ``sum (k - 1) / 2``.
        nonlinearity: Name of the pointwise function.
        sites: Side of the lattice for a learnable bias per site after the first convolution
            (breaks translation invariance on purpose: photographs are not periodic); None for
            none.

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
        _check_kernels(kernels)
        _check_positive(inputs=inputs, outputs=outputs, hidden=hidden)
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
                x = circular_pad(x, pad)
            x = conv(x)
            if i == 0 and self.site_bias is not None:
                x = x + self.site_bias
        return x


class Equivariant(nn.Module):
    """Makes an affine coupling commute with ``x -> -x``: log-scales even in a, shifts odd.

    Args:
        net: Any of the networks above, giving log-scales, then shifts; it runs on a and on -a.

    >>> _ = torch.manual_seed(0)
    >>> net = MLP(4, 8)
    >>> _ = torch.nn.init.normal_(net.weights, std=0.5)
    >>> a = torch.randn(3, 4)
    >>> bool((Equivariant(net)(a) + Equivariant(net)(-a))[:, 4:].abs().max() < 1e-5)
    True
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.radius = net.radius

    def forward(self, a: Tensor) -> Tensor:
        """``(N, inputs, ...) -> (N, outputs, ...)``."""
        here, mirrored = self.net(torch.cat((a, -a))).chunk(2)
        log_scales, shifts = (here + mirrored).chunk(2, 1)[0], (here - mirrored).chunk(2, 1)[1]
        return torch.cat((log_scales, shifts), 1) / 2
