"""A chain of couplings on features, as one function where that is possible."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rgflow.bijectors.chain import Chain
from rgflow.bijectors.coupling import Coupling, Halves
from rgflow.bijectors.memory import Memory
from rgflow.ops import coupling_chain as explicit
from rgflow.ops import coupling_chain_numba as native


class CouplingChain(Chain):
    """Couplings one after another, on halves ``(N, A)`` and ``(N, B)``.

    Chains of couplings with an `ExplicitNet` inside run as one function. All others, and all
    under torch.func and compilers, run as in a `Chain`.

    Args:
        couplings: In forward order, all of the same split.
        memory: See ``Chain``; only ``"store"`` is one function.
    """

    def __init__(self, couplings: Sequence[Coupling], memory: Memory = "store") -> None:
        super().__init__(couplings, memory)
        self.batch_innermost = memory == "store" and all(c.explicit for c in couplings)

    def _forward(self, x: Halves) -> tuple[Halves, Tensor]:
        return self._run(x, inverse=False)

    def _inverse(self, z: Halves) -> tuple[Halves, Tensor]:
        return self._run(z, inverse=True)

    def _run(self, halves: Halves, *, inverse: bool) -> tuple[Halves, Tensor]:
        if not (self.batch_innermost and explicit.works_here()):
            return super()._inverse(halves) if inverse else super()._forward(halves)
        couplings = list(self.bijectors)
        couplings = couplings[::-1] if inverse else couplings
        how = native if native.suits(couplings, halves) else explicit
        return how.run(couplings, halves, inverse=inverse)
