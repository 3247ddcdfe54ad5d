"""A chain of couplings on features, which may be computed as one function."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rgflow.bijectors.chain import Chain
from rgflow.bijectors.coupling import Coupling
from rgflow.bijectors.memory import Memory
from rgflow.ops import Halves, apply_couplings, has_faster_way


class CouplingChain(Chain):
    """Couplings one after another, on halves ``(N, A)`` and ``(N, B)``.

    It is the same map as a `Chain` of them; where all of them have a faster way, it runs as one
    function.

    Args:
        couplings: In forward order, all of the same split.
        memory: See ``Chain``; only ``"store"`` is one function.
    """

    def __init__(self, couplings: Sequence[Coupling], memory: Memory = "store") -> None:
        super().__init__(couplings, memory)
        self.batch_innermost = memory == "store" and all(map(has_faster_way, couplings))

    def _forward(self, x: Halves) -> tuple[Halves, Tensor]:
        if self.memory != "store":
            return super()._forward(x)
        return apply_couplings(list(self.bijectors), x, inverse=False)

    def _inverse(self, z: Halves) -> tuple[Halves, Tensor]:
        if self.memory != "store":
            return super()._inverse(z)
        return apply_couplings(list(self.bijectors)[::-1], z, inverse=True)
