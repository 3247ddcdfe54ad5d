"""The hierarchical flow: a chain of levels, each on a lattice of half the side."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from rgflow.bijectors.base import Bijector
from rgflow.bijectors.polyphase import merge_phases, split_phases
from rgflow.hierarchy import Hierarchy


class MERA(Bijector):
    """Chains levels, each of which acts on the sub-lattice that the finer one before it kept.

    Level ``h`` maps ``(B, C, L_h, L_h)`` to itself, with ``L_h = L / 2**h``. Of its output, the
    sites with even row and column are kept for the next level and the others are emitted at their
    places in the latent layout; the last level emits all. With equal nets on all levels, the flow
    costs ``1 + 1/4 + 1/16 + ... < 4/3`` of its finest level.

    Args:
        levels: Bijectors, fine to coarse, of event shapes ``(C, L, L)``, ``(C, L/2, L/2)``, ...

    Raises:
        ValueError: If there is no level, the sides do not halve from level to level, or a level is
            not local.

    Reference: NeuralRG, arXiv:1802.02840; RG-Flow, arXiv:2010.00029.

    >>> import torch
    >>> from rgflow.bijectors import ElementwiseAffine
    >>> flow = MERA([ElementwiseAffine((1, 4, 4)), ElementwiseAffine((1, 2, 2))])
    >>> flow.hierarchy.latents_per_level
    (12, 4)
    >>> flow(torch.zeros(2, 1, 4, 4))[0].shape
    torch.Size([2, 1, 4, 4])
    """

    def __init__(self, levels: Sequence[Bijector]) -> None:
        if not levels:
            raise ValueError("a MERA needs at least one level, got none")
        super().__init__(levels[0].event_shape)
        if len(self.event_shape) != 3:
            raise ValueError(f"level 0 acts on {self.event_shape}, expected (C, L, L)")
        channels, side, _ = self.event_shape
        for level, bijector in enumerate(levels):
            expected = (channels, side >> level, side >> level)
            if bijector.event_shape != expected:
                raise ValueError(
                    f"level {level} acts on {bijector.event_shape}, expected {expected}"
                )
            if level + 1 < len(levels) and expected[1] % 2:
                raise ValueError(
                    f"level {level} has the odd side {expected[1]}, expected an even side on "
                    "every level but the last"
                )
        self._count = len(levels)
        reaches = [level.reaches for level in levels]
        if None in reaches:
            level = reaches.index(None)
            raise ValueError(
                f"level {level}: {type(levels[level]).__name__} is not local, expected a bijector "
                "that declares its reaches"
            )
        self._hierarchy = Hierarchy(side, reaches)
        for level, bijector in enumerate(levels):
            self.add_module(f"level{level}", bijector)

    @property
    def hierarchy(self) -> Hierarchy:
        """Levels and cones of the latents."""
        return self._hierarchy

    @property
    def level_bijectors(self) -> tuple[Bijector, ...]:
        """The levels, fine to coarse."""
        return tuple(self.get_submodule(f"level{h}") for h in range(self._count))

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        emitted = []
        *lower, top = self.level_bijectors
        total = None
        for level in lower:
            y, log_det = level(x)
            x, *rest = split_phases(y)
            emitted.append(rest)
            total = log_det if total is None else total + log_det
        z, log_det = top(x)
        for rest in reversed(emitted):
            z = merge_phases((z, *rest))
        return z, log_det if total is None else total + log_det

    def _inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        emitted = []
        *lower, top = self.level_bijectors
        for _ in lower:
            z, *rest = split_phases(z)
            emitted.append(rest)
        x, total = top.inverse(z)
        for level, rest in zip(reversed(lower), reversed(emitted), strict=True):
            x, log_det = level.inverse(merge_phases((x, *rest)))
            total = total + log_det
        return x, total
