"""Nets on a periodic lattice, and a net that respects the symmetry ``x -> -x``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rgflow.conditioners.mlp import ACTIVATIONS, MLP, check_activation, check_at_least_one
from rgflow.ops import FastPatches, apply_net, circular_pad
from rgflow.ops.contract import HasFasterWay
from rgflow.runtime.counts import takes_counts


def _check_kernels(kernels: Sequence[int]) -> None:
    if len(kernels) < 1 or any(k % 2 == 0 or k < 1 for k in kernels):
        raise ValueError(f"kernels need odd sides, got {tuple(kernels)}")


class PatchMLP(HasFasterWay, nn.Module):
    """A perceptron that reads the ``k x k`` patch around every site of a periodic lattice.

    It is the same function as a `ConvNet` whose kernels after the first have side 1. With few
    channels it is several times as fast, as it multiplies all sites and samples at once.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        kernel: Odd side k of the patch.
        hidden: Widths of the hidden layers.
        nonlinearities: Name of the activation, or one name for each hidden layer.

    Raises:
        ValueError: For an even kernel, and as `MLP`.

    >>> PatchMLP(2, 4, kernel=3, hidden=(8,))(torch.randn(1, 2, 4, 4)).shape
    torch.Size([1, 4, 4, 4])
    """

    @takes_counts
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
        self.kernel = kernel
        self.radius = kernel // 2
        self._fast = FastPatches(kernel, self.net.fast)

    @property
    def fast(self) -> FastPatches:
        """The same net with a hand-written gradient."""
        return self._fast

    def parameter_list(self) -> list[Tensor]:
        """The parameters of the perceptron."""
        return self.net.parameter_list()

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W) -> (N, outputs, H, W)``."""
        shifts = range(self.radius, -self.radius - 1, -1)
        patches = [x.roll((row, column), (-2, -1)) for row in shifts for column in shifts]
        features = torch.stack(patches, 2).flatten(1, 2)  # (N, inputs * k * k, H, W)
        return self.net(features.movedim(1, -1)).movedim(-1, 1)


class ConvNet(nn.Module):
    """A small convolutional net on a periodic lattice, optionally with a bias at each site.

    The last convolution starts at zero, so that a new coupling is the identity.

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        hidden: Channels in between.
        kernels: Odd sides k of the kernels; the net sees ``sum (k - 1) / 2`` sites far.
        nonlinearity: Name of the activation.
        sites: Side of the lattice if every site is to have a learnable bias after the first
            convolution, else None. This bias breaks translation invariance on purpose, for
            photographs, which are not periodic.

    Raises:
        ValueError: For no or even kernels, an unknown activation, or numbers below 1.

    >>> ConvNet(2, 4, hidden=8)(torch.randn(1, 2, 4, 4)).shape
    torch.Size([1, 4, 4, 4])
    """

    @takes_counts
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
        check_at_least_one(inputs=inputs, outputs=outputs, hidden=hidden)
        check_activation(nonlinearity)
        self.nonlinearity = nonlinearity
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
                x = ACTIVATIONS[self.nonlinearity](x)
            pad = conv.kernel_size[0] // 2
            if pad:
                x = circular_pad(x, pad)
            x = conv(x)
            if i == 0 and self.site_bias is not None:
                x = x + self.site_bias
        return x


class Equivariant(nn.Module):
    """Makes an affine coupling commute with ``x -> -x``.

    The log-scales are the part of ``net(a)`` that is even in a, the shifts the part that is odd.

    Args:
        net: A net that gives log-scales, then shifts, with a ``radius``.

    >>> _ = torch.manual_seed(0)
    >>> net = MLP(4, 8)
    >>> _ = torch.nn.init.normal_(net.weights, std=0.5)
    >>> a = torch.randn(3, 4)
    >>> bool((Equivariant(net)(a) + Equivariant(net)(-a))[:, 4:].abs().max() < 1e-5)
    True
    """

    @takes_counts
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.radius = net.radius

    def forward(self, a: Tensor) -> Tensor:
        """``(N, inputs, ...) -> (N, outputs, ...)``."""
        here, mirrored = apply_net(self.net, torch.cat((a, -a))).chunk(2)
        log_scales, shifts = (here + mirrored).chunk(2, 1)[0], (here - mirrored).chunk(2, 1)[1]
        return torch.cat((log_scales, shifts), 1) / 2
