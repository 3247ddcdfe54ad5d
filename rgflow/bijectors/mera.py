"""The hierarchical flow: a chain of levels, each on a lattice of half the side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rgflow.bijectors import partial
from rgflow.bijectors.base import Bijector
from rgflow.bijectors.cell_layer import CellLayer
from rgflow.bijectors.cone_plan import ConePlan
from rgflow.bijectors.known import Trace, trace
from rgflow.bijectors.polyphase import merge_phases, split_phases
from rgflow.bijectors.whole_lattice import cell_layers_of
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

    @property
    def layers_by_level(self) -> tuple[tuple[CellLayer, ...], ...]:
        """The layers of each level; a level that cannot be computed in parts is one of them."""
        return tuple(cell_layers_of(level) for level in self.level_bijectors)

    def split_latents(self, z: Tensor) -> tuple[Tensor, ...]:
        """The latents of each level, fine to coarse, as views of z, ``(B, C, L, L)``.

        Those of a level of side S are ``(B, C, 3, S/2, S/2)``: the sites with (row, column) modulo
        2 of (1, 1), (0, 1) and (1, 0). The last level emits all of its sites, ``(B, C, S, S)``.
        """
        self._check(z)
        latents = []
        for _ in range(self._count - 1):
            z, *rest = split_phases(z)
            latents.append(torch.stack(rest, 2))
        return (*latents, z)

    def encode_to(self, level: int, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """Renormalizes x down to the field that enters ``level``.

        Args:
            level: 0 gives x itself, and the number of levels is not allowed.
            x: ``(B, C, L, L)``.

        Returns:
            The field ``(B, C, L_h, L_h)``, the latents of all finer levels as `split_latents` has
            them, and the log_det ``(B,)``.

        Raises:
            ValueError: If there is no such level.
        """
        self._check(x)
        self._check_level(level)
        emitted, total = [], x.new_zeros(len(x))
        for bijector in self.level_bijectors[:level]:
            y, log_det = bijector(x)
            x, *rest = split_phases(y)
            emitted.append(torch.stack(rest, 2))
            total = total + log_det
        return x, tuple(emitted), total

    def decode_from(
        self, level: int, field: Tensor, latents: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Generates x from the field that enters ``level`` and the latents of all finer levels.

        Args:
            level: 0 to the number of levels minus one.
            field: ``(B, C, L_h, L_h)``.
            latents: The first ``level`` parts, at least, of `split_latents`.

        Returns:
            x, ``(B, C, L, L)``, and the log_det of the map that was applied, ``(B,)``.

        Raises:
            ValueError: If there is no such level, or latents of a finer level are missing.
        """
        self._check_level(level)
        if len(latents) < level:
            raise ValueError(f"latents: got those of {len(latents)} levels, expected {level}")
        total = field.new_zeros(len(field))
        finer = list(zip(self.level_bijectors[:level], latents, strict=False))
        for bijector, rest in reversed(finer):
            field, log_det = bijector.inverse(merge_phases((field, *rest.unbind(2))))
            total = total + log_det
        return field, total

    def trace(self, x: Tensor) -> Trace:
        """A known field with all intermediate ones, see `known.trace`."""
        return trace(self, x)

    def encode_inside(
        self, x: Tensor, known: Trace, pixels: Tensor | ConePlan
    ) -> partial.ChangedSites:
        """The latents that change with some pixels, see `partial.encode_inside`."""
        return partial.encode_inside(self, x, known, pixels)

    def decode_inside(
        self,
        z: Tensor,
        known: Trace,
        latents: Tensor | ConePlan,
        pixels: Tensor | None = None,
    ) -> partial.ChangedSites:
        """The pixels that change with some latents, see `partial.decode_inside`."""
        return partial.decode_inside(self, z, known, latents, pixels)

    def _check_level(self, level: int) -> None:
        if level not in range(self._count):
            raise ValueError(f"level {level} does not exist, expected 0 to {self._count - 1}")

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
