"""Scale and shift of a coupling from a net each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rgflow.ops.contract import ExplicitNet
from rgflow.ops.fused import concatenate


class SeparateHeads(ExplicitNet):
    """Nets that read the same and share the outputs: scale and shift from a net each.

    Args:
        nets: Nets of one kind, in the order of their outputs.

    Raises:
        ValueError: For nets that differ in kind, or none.

    Reference: as in NeuralRG, arXiv:1802.02840.

    >>> from rgflow.conditioners.mlp import MLP
    >>> SeparateHeads([MLP(4, 2), MLP(4, 2)])(torch.randn(3, 4)).shape
    torch.Size([3, 4])
    """

    def __init__(self, nets: Sequence[ExplicitNet]) -> None:
        super().__init__()
        kinds = {net.kind if isinstance(net, ExplicitNet) else type(net).__name__ for net in nets}
        if len(kinds) != 1 or not isinstance(nets[0], ExplicitNet):
            raise ValueError(f"got nets of the kinds {kinds}, expected nets of one explicit kind")
        self.nets = nn.ModuleList(nets)
        self.outputs = sum(net.outputs for net in nets)
        self.batch_innermost = nets[0].batch_innermost
        self.kind = ("separate", len(nets), nets[0].kind)
        if type(self) is SeparateHeads:  # what a subclass says counts
            self.perceptrons = tuple(p for net in nets for p in net.perceptrons)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs) -> (N, outputs)``."""
        return self.run(x)

    def tensors(self) -> list[Tensor]:
        """Those of the nets, one after another."""
        return [tensor for net in self.nets for tensor in net.tensors()]

    def prepare(
        self, tensors: Sequence[Sequence[Tensor]], dtype: torch.dtype
    ) -> tuple[list[Tensor], list[Tensor]]:
        """See the base class."""
        each = len(self.nets[0].tensors())
        parts = [
            net.prepare([own[i * each : (i + 1) * each] for own in tensors], dtype)
            for i, net in enumerate(self.nets)
        ]
        return [t for ready, _ in parts for t in ready], [t for _, aside in parts for t in aside]

    def evaluate(self, x: Tensor, ready: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        parts = [
            net.evaluate(x, own) for net, own in zip(self.nets, self._shares(ready), strict=True)
        ]
        return concatenate([out for out, _ in parts]), [t for _, kept in parts for t in kept]

    def pull_back(
        self, grad: Tensor, ready: Sequence[Tensor], kept: Sequence[Tensor], of_ready: bool
    ) -> tuple[Tensor, list[Tensor]]:
        """See the base class."""
        grads = grad.chunk(len(self.nets), 1)
        each = zip(self.nets, grads, self._shares(ready), self._shares(kept), strict=True)
        found = [net.pull_back(part, own, inside, of_ready) for net, part, own, inside in each]
        return sum(of_x for of_x, _ in found), [t for _, of_own in found for t in of_own]

    def collect(self, of_ready: Sequence[Tensor], aside: Sequence[Tensor]) -> list[Tensor]:
        """See the base class."""
        each = zip(self.nets, self._shares(of_ready), self._shares(aside), strict=True)
        return [t for net, own, beside in each for t in net.collect(own, beside)]

    def _shares(self, tensors: Sequence[Tensor]) -> list[Sequence[Tensor]]:
        """Each net's own out of those of all."""
        each = len(tensors) // len(self.nets)
        return [tensors[i * each : (i + 1) * each] for i in range(len(self.nets))]
