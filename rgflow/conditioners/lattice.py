"""Conditioners on a periodic lattice: patches, convolutions, and what commutes with the sign."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rgflow.conditioners.mlp import MLP, check_positive
from rgflow.ops.contract import ExplicitNet
from rgflow.ops.fused import circular_pad
from rgflow.ops.layers import activation


def _check_kernels(kernels: Sequence[int]) -> None:
    if len(kernels) < 1 or any(k % 2 == 0 or k < 1 for k in kernels):
        raise ValueError(f"kernels need odd sides, got {tuple(kernels)}")


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
        self.kind = ("patches", kernel, self.net.kind)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W) -> (N, outputs, H, W)``."""
        return self.run(x)

    def tensors(self) -> list[Tensor]:
        """Those of the perceptron."""
        return self.net.tensors()

    def prepare(
        self, tensors: Sequence[Sequence[Tensor]], dtype: torch.dtype
    ) -> tuple[list[Tensor], list[Tensor]]:
        """See the base class."""
        return self.net.prepare(tensors, dtype)

    def evaluate(self, x: Tensor, ready: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        patches = self._patches(x.movedim(0, -1))
        out, kept = self.net.evaluate(patches.flatten(0, 2).flatten(1).T, ready)
        return out.T.unflatten(1, patches.shape[3:]).movedim(-1, 0), kept

    def pull_back(
        self, grad: Tensor, ready: Sequence[Tensor], kept: Sequence[Tensor], of_ready: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        lying = grad.movedim(0, -1)
        of_patches, of_net = self.net.pull_back(lying.flatten(1).T, ready, kept, of_ready)
        k = self.kernel
        patches = of_patches.T.unflatten(1, lying.shape[1:]).unflatten(0, (-1, k, k))
        return self._sum_of_patches(patches).movedim(-1, 0), of_net

    def collect(self, of_ready: Sequence[Tensor], aside: Sequence[Tensor]) -> list[Tensor]:
        """See the base class."""
        return self.net.collect(of_ready, aside)

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
        check_positive(inputs=inputs, outputs=outputs, hidden=hidden)
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
