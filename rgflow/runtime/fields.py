"""The type and the shape of fields that enter from outside."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor


def check_field(x: Any, name: str) -> None:
    """Refuses what is not a tensor of floating-point numbers.

    Arithmetic on integers wraps around: ``-x`` of a uint8 is ``256 - x``.

    Args:
        x: Fields, or latents, of any shape.
        name: What takes them, for the message.

    Raises:
        ValueError: With the type that was got.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"{name} got a {type(x).__name__}, expected a tensor of fields")
    if not x.is_floating_point():
        raise ValueError(
            f"{name} got numbers of type {x.dtype}, expected a floating-point type: convert "
            "fields, and dequantize images"
        )


class HasEvents(Protocol):
    """Anything that has events of one shape, such as a flow, a bijector or an energy."""

    event_shape: tuple[int, ...]


def check_same_events(flow: HasEvents, energy: HasEvents) -> None:
    """Refuses a flow or bijector whose events are no fields of the energy.

    Raises:
        ValueError: If the event shapes differ.
    """
    got, expected = tuple(energy.event_shape), tuple(flow.event_shape)
    if got != expected:
        raise ValueError(f"energy: got fields of shape {got}, expected {expected} as the flow has")
