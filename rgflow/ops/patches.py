"""A net that reads the patch around every site of a periodic lattice, for all sites at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rgflow.ops.contract import FastNet, NetResult, Prepared
from rgflow.ops.saved import Structure


@dataclass(frozen=True)
class FastPatches(FastNet):
    """A net on the ``k x k`` patch of every site, ``(N, C, H, W) -> (N, outputs, H, W)``.

    Args:
        kernel: Odd side k of a patch.
        net: The net that reads ``C k k`` features.
    """

    kernel: int
    net: FastNet

    @property
    def inputs(self) -> int:
        """Channels of the input."""
        return self.net.inputs // self.kernel**2

    @property
    def outputs(self) -> int:
        """Channels of the output."""
        return self.net.outputs

    def prepare(self, parameters: Sequence[Sequence[Tensor]], dtype: torch.dtype) -> Prepared:
        """See the base class."""
        return self.net.prepare(parameters, dtype)

    def forward(self, x: Tensor, weights: Structure) -> NetResult:
        """See the base class."""
        patches = self._patches(x.movedim(0, -1))
        result = self.net.forward(patches.flatten(0, 2).flatten(1).T, weights)
        output = result.output.T.unflatten(1, patches.shape[3:]).movedim(-1, 0)
        return NetResult(output, result.saved)

    def vjp(
        self, grad: Tensor, weights: Structure, saved: Structure, *, of_weights: bool
    ) -> tuple[Tensor, Structure]:
        """See the base class."""
        by_site = grad.movedim(0, -1)  # (outputs, H, W, N)
        of_patches, found = self.net.vjp(
            by_site.flatten(1).T, weights, saved, of_weights=of_weights
        )
        k = self.kernel
        patches = of_patches.T.unflatten(1, by_site.shape[1:]).unflatten(0, (-1, k, k))
        return self._sum_of_patches(patches).movedim(-1, 0), found

    def prepare_vjp(self, of_weights: Structure, saved: Structure) -> list[Tensor]:
        """See the base class."""
        return self.net.prepare_vjp(of_weights, saved)

    def _patches(self, x: Tensor) -> Tensor:
        """``(C, H, W, N)`` to ``(C, k, k, H, W, N)``."""
        if self.kernel == 1:
            return x[:, None, None]
        radius = self.kernel // 2
        shifts = range(radius, -radius - 1, -1)
        rows = torch.stack([x.roll(shift, 1) for shift in shifts], 1)
        return torch.stack([rows.roll(shift, 3) for shift in shifts], 2)

    def _sum_of_patches(self, patches: Tensor) -> Tensor:
        """The adjoint of ``_patches``, ``(C, k, k, H, W, N)`` to ``(C, H, W, N)``."""
        if self.kernel == 1:
            return patches[:, 0, 0]
        radius = self.kernel // 2
        shifts = range(-radius, radius + 1)
        rows = sum(patches[:, :, i].roll(shift, 3) for i, shift in enumerate(shifts))
        return sum(rows[:, i].roll(shift, 1) for i, shift in enumerate(shifts))
