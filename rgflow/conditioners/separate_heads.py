"""A separate net for each parameter of a coupling, such as log-scale and shift."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rgflow.ops import FastSideBySide, fast_net
from rgflow.ops.contract import HasFasterWay


class SeparateHeads(HasFasterWay, nn.Module):
    """Nets of one architecture on the same input, their outputs one after another.

    With two nets, the first gives the log-scales of an affine coupling and the second the shifts.

    Args:
        nets: The nets, in the order of their outputs, each with a ``radius``.

    Raises:
        ValueError: If there is no net, or the nets differ in their architecture.

    Reference: as in NeuralRG, arXiv:1802.02840.

    >>> from rgflow.conditioners import MLP
    >>> SeparateHeads([MLP(4, 2), MLP(4, 2)])(torch.randn(3, 4)).shape
    torch.Size([3, 4])
    """

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        super().__init__()
        kinds = {
            fast_net(net) or (type(net).__name__, *(tuple(p.shape) for p in net.parameters()))
            for net in nets
        }
        if len(kinds) != 1:
            raise ValueError(f"got nets of the architectures {kinds}, expected one for all nets")
        self.nets = nn.ModuleList(nets)
        self.radius = nets[0].radius
        fast = fast_net(nets[0])
        count = 0 if fast is None else len(nets[0].parameter_list())
        self._fast = None if fast is None else FastSideBySide(fast, len(nets), count)

    @property
    def fast(self) -> FastSideBySide | None:
        """The same net with a hand-written gradient, if its nets have one."""
        return self._fast

    def parameter_list(self) -> list[Tensor]:
        """The parameters of the nets, one net after another."""
        return [tensor for net in self.nets for tensor in net.parameter_list()]

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, ...) -> (N, outputs, ...)``."""
        return torch.cat([net(x) for net in self.nets], 1)
