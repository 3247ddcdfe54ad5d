"""The type of fields that enter from outside."""

from __future__ import annotations

from typing import Any

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
