"""The contract of every invertible map, and the two ways to compose them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from rgflow.bijectors.memory import Memory, check_memory, run_in_sequence
from rgflow.hierarchy import Hierarchy, Reach

Shape = tuple[int, ...]
EventShape = Shape | tuple[Shape, ...]
Event = Any  # a Tensor, or a tuple of tensors where the event shape is a tuple of shapes


def _as_tuples(shape: EventShape) -> EventShape:
    return tuple(part if isinstance(part, int) else tuple(part) for part in shape)


class Bijector(nn.Module, ABC):
    """An invertible map ``x <-> z`` with a tractable Jacobian determinant.

    ``forward(x) -> (z, log_det)`` and ``inverse(z) -> (x, log_det)``, where ``log_det`` of shape
    ``(B,)`` is log abs det J of the map just applied. Subclasses write ``_forward`` and
    ``_inverse``.

    Args:
        event_shape: Shape of one event without the batch axis, e.g. ``(C, L, L)``; a tuple of
            shapes for maps on a tuple of tensors, e.g. the two halves of a coupling.

    Raises:
        ValueError: On a call with an event of another shape.
    """

    def __init__(self, event_shape: EventShape) -> None:
        super().__init__()
        self.event_shape = _as_tuples(event_shape)

    def forward(self, x: Event) -> tuple[Event, Tensor]:
        """Data to latent, ``x -> (z, log_det)``."""
        self._check(x)
        return self._forward(x)

    def inverse(self, z: Event) -> tuple[Event, Tensor]:
        """Latent to data, ``z -> (x, log_det)``."""
        self._check(z)
        return self._inverse(z)

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """What is coupled, layer by layer in forward order, for maps on a lattice.

        Raises:
            ValueError: If the map is not local.
        """
        raise ValueError(f"{type(self).__name__} is not local: it has no reach and no cones")

    @property
    def hierarchy(self) -> Hierarchy:
        """Scales and cones of the latents, for maps that have levels.

        Raises:
            ValueError: If the map has none.
        """
        raise ValueError(
            f"{type(self).__name__} has no hierarchy: its latents have no place or scale"
        )

    @abstractmethod
    def _forward(self, x: Event) -> tuple[Event, Tensor]: ...

    @abstractmethod
    def _inverse(self, z: Event) -> tuple[Event, Tensor]: ...

    def _check(self, event: Event) -> None:
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
        if got != self.event_shape:
            raise ValueError(
                f"{type(self).__name__} got an event of shape {tuple(got)}, "
                f"expected {self.event_shape} after the batch axis"
            )


class Chain(Bijector):
    """Bijectors one after another; the inverse runs them backwards.

    Args:
        bijectors: In forward order, all with the same event shape.
        memory: What is kept for the gradient: ``"store"`` all activations, ``"recompute"`` the
            input of each bijector, ``"rebuild"`` nothing but the last output (the inputs come
            back by inversion, so that memory does not grow with depth; first derivatives only).

    Raises:
        ValueError: If event shapes differ, or for an unknown memory mode.

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
    def reaches(self) -> tuple[Reach, ...]:
        """Those of the parts, in forward order."""
        return tuple(reach for bijector in self.bijectors for reach in bijector.reaches)

    @property
    def hierarchy(self) -> Hierarchy:
        """That of the one part that has levels, if all others act site by site."""
        found = [b for b in self.bijectors if _has_hierarchy(b)]
        if len(found) != 1 or any(b.reaches for b in self.bijectors if b is not found[0]):
            return super().hierarchy
        return found[0].hierarchy

    def _forward(self, x: Event) -> tuple[Event, Tensor]:
        return run_in_sequence(list(self.bijectors), x, self.memory, inverse=False)

    def _inverse(self, z: Event) -> tuple[Event, Tensor]:
        return run_in_sequence(list(self.bijectors)[::-1], z, self.memory, inverse=True)


def _has_hierarchy(bijector: Bijector) -> bool:
    """Whether asking for the hierarchy would not raise."""
    try:
        return bijector.hierarchy is not None
    except ValueError:
        return False


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
    def reaches(self) -> tuple[Reach, ...]:
        """Those of the inverted map, in the opposite order."""
        return self.bijector.reaches[::-1]

    def _forward(self, x: Event) -> tuple[Event, Tensor]:
        return self.bijector.inverse(x)

    def _inverse(self, z: Event) -> tuple[Event, Tensor]:
        return self.bijector.forward(z)
