"""The contract of every invertible map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rgflow.hierarchy import Hierarchy, Reach
from rgflow.ops.compiler import keep_buffers_apart
from rgflow.runtime.counts import whole_numbers
from rgflow.runtime.fields import check_field

if TYPE_CHECKING:
    from rgflow.bijectors.cell_layer import CellLayer

Shape = tuple[int, ...]
EventShape = Shape | tuple[Shape, ...]
Event = Any  # a Tensor, or a tuple of tensors where the event shape is a tuple of shapes


def _as_tuples(shape: EventShape) -> EventShape:
    if any(isinstance(part, Iterable) for part in shape):
        return tuple(whole_numbers("event shape", part) for part in shape)
    return whole_numbers("event shape", shape)


class Bijector(nn.Module, ABC):
    """An invertible map ``x <-> z`` with a tractable Jacobian determinant.

    ``forward(x) -> (z, log_det)`` and ``inverse(z) -> (x, log_det)``, where ``log_det`` of shape
    ``(B,)``, B samples, is log abs det J of the map just applied. Subclasses implement
    ``_forward`` and ``_inverse``.

    Args:
        event_shape: Shape of one event without the batch axis, e.g. ``(C, L, L)``; a tuple of
            shapes for a map of several tensors, e.g. the two halves of a coupling.

    Raises:
        ValueError: On a call, for an event of another shape or of an integer type.
    """

    def __init__(self, event_shape: EventShape) -> None:
        super().__init__()
        self.event_shape = _as_tuples(event_shape)

    def forward(self, x: Event) -> tuple[Event, Tensor]:
        """Maps data to latents, ``x -> (z, log_det)``."""
        self._check(x)
        return self._forward(x)

    def inverse(self, z: Event) -> tuple[Event, Tensor]:
        """Maps latents to data, ``z -> (x, log_det)``."""
        self._check(z)
        return self._inverse(z)

    @property
    def reaches(self) -> tuple[Reach, ...] | None:
        """Which sites each layer couples, in forward order; None if the map is not local.

        The cones of a MERA are computed from the reaches that its levels declare. A map that acts
        on every site on its own has an empty tuple.
        """
        return None

    @property
    def hierarchy(self) -> Hierarchy | None:
        """Levels and cones of the latents; None for a map without levels."""
        return None

    @property
    def cell_layers(self) -> tuple[CellLayer, ...] | None:
        """Layers, in forward order, that can be computed on some of their cells alone.

        None for a map that can only be computed as a whole. Partial maps then compute all of it.
        """
        return None

    @property
    def layers_by_level(self) -> tuple[tuple[CellLayer, ...], ...] | None:
        """The layers of each level, fine to coarse; None for a map without levels."""
        return None

    @abstractmethod
    def _forward(self, x: Event) -> tuple[Event, Tensor]: ...

    @abstractmethod
    def _inverse(self, z: Event) -> tuple[Event, Tensor]: ...

    def _check(self, event: Event) -> None:
        if torch.compiler.is_dynamo_compiling():
            keep_buffers_apart()
        if isinstance(event, Tensor):
            got: EventShape = event.shape[1:]
        elif isinstance(event, tuple) and all(isinstance(e, Tensor) for e in event):
            got = tuple(tuple(e.shape[1:]) for e in event)
            if len({len(e) for e in event if e.dim()}) > 1:
                raise ValueError(
                    f"{type(self).__name__} got batches of {[len(e) for e in event]}, "
                    "expected as many samples in all parts"
                )
        else:
            raise ValueError(
                f"{type(self).__name__} got a {type(event).__name__}, expected a tensor of shape "
                f"(B, *{self.event_shape})"
            )
        for part in (event,) if isinstance(event, Tensor) else event:
            check_field(part, type(self).__name__)
        if got != self.event_shape:
            raise ValueError(
                f"{type(self).__name__} got an event of shape {tuple(got)}, "
                f"expected {self.event_shape} after the batch axis"
            )
