"""Bijectors made of others: several one after another, and one with its directions exchanged."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from rgflow.bijectors.base import Bijector, Event
from rgflow.bijectors.cell_layer import CellLayer
from rgflow.bijectors.memory import Memory, check_memory, run_in_sequence
from rgflow.bijectors.whole_lattice import cell_layers_of
from rgflow.hierarchy import Hierarchy, Reach


class Chain(Bijector):
    """Bijectors one after another; the inverse runs them backwards.

    Args:
        bijectors: The parts in forward order, all with the same event shape.
        memory: What is saved for the backward pass: with ``"store"`` all intermediate results,
            with ``"recompute"`` the input of each bijector, with ``"rebuild"`` the last output
            alone. The last one recovers the inputs by inversion, so that memory does not grow with
            depth, and gives first derivatives only. Under transforms of torch.func and
            forward-mode derivatives every mode is ``"store"``.

    Raises:
        ValueError: If there is no bijector, if event shapes differ, or for an unknown mode.

    >>> import torch
    >>> from rgflow.bijectors import ElementwiseAffine
    >>> double = ElementwiseAffine((2,), scale=2.0)
    >>> z, log_det = Chain([double, Inverse(double)])(torch.ones(1, 2))
    >>> z.tolist(), log_det.tolist()
    ([[1.0, 1.0]], [0.0])
    """

    def __init__(self, bijectors: Sequence[Bijector], memory: Memory = "store") -> None:
        shapes = {bijector.event_shape for bijector in bijectors}
        if len(shapes) != 1:
            raise ValueError(f"a chain needs one event shape, got {sorted(map(str, shapes))}")
        check_memory(memory)
        super().__init__(shapes.pop())
        self.bijectors = nn.ModuleList(bijectors)
        self.memory: Memory = memory

    @property
    def reaches(self) -> tuple[Reach, ...] | None:
        """The reaches of the parts, in forward order; None if one of them is not local."""
        parts = [bijector.reaches for bijector in self.bijectors]
        return None if None in parts else tuple(reach for part in parts for reach in part)

    @property
    def hierarchy(self) -> Hierarchy | None:
        """That of the one part with levels, where the others are local.

        Parts in front of it join its finest level; parts after it have to act site by site.
        """
        hierarchies = [bijector.hierarchy for bijector in self.bijectors]
        found = [i for i, hierarchy in enumerate(hierarchies) if hierarchy is not None]
        if len(found) != 1:
            return None
        (place,) = found
        front = [bijector.reaches for bijector in self.bijectors[:place]]
        if None in front or any(b.reaches != () for b in self.bijectors[place + 1 :]):
            return None
        inner = hierarchies[place]
        reaches = [reach for part in front for reach in part]
        if not reaches:
            return inner
        finest, *others = inner.reaches
        return Hierarchy(inner.side, [(*reaches, *finest), *others])

    @property
    def cell_layers(self) -> tuple[CellLayer, ...] | None:
        """Those of all parts; None if one of them can only be computed as a whole."""
        parts = [bijector.cell_layers for bijector in self.bijectors]
        return None if None in parts else tuple(layer for part in parts for layer in part)

    @property
    def layers_by_level(self) -> tuple[tuple[CellLayer, ...], ...] | None:
        """Those of the last part, if all parts before it are local: they join its level 0."""
        *front, last = self.bijectors
        levels = last.layers_by_level
        if levels is None or any(bijector.reaches is None for bijector in front):
            return None
        first = tuple(layer for bijector in front for layer in cell_layers_of(bijector))
        return (first + levels[0], *levels[1:])

    def _forward(self, x: Event) -> tuple[Event, Tensor]:
        return run_in_sequence(list(self.bijectors), x, self.memory, inverse=False)

    def _inverse(self, z: Event) -> tuple[Event, Tensor]:
        return run_in_sequence(list(self.bijectors)[::-1], z, self.memory, inverse=True)


class Inverse(Bijector):
    """A bijector with its two directions exchanged.

    >>> import torch
    >>> from rgflow.bijectors import ElementwiseAffine
    >>> half = Inverse(ElementwiseAffine((2,), scale=2.0))
    >>> half(torch.ones(1, 2))[0].tolist()
    [[0.5, 0.5]]
    """

    def __init__(self, bijector: Bijector) -> None:
        super().__init__(bijector.event_shape)
        self.bijector = bijector

    @property
    def reaches(self) -> tuple[Reach, ...] | None:
        """The reaches of the bijector that is inverted, in the opposite order."""
        reaches = self.bijector.reaches
        return None if reaches is None else reaches[::-1]

    def _forward(self, x: Event) -> tuple[Event, Tensor]:
        return self.bijector.inverse(x)

    def _inverse(self, z: Event) -> tuple[Event, Tensor]:
        return self.bijector.forward(z)
