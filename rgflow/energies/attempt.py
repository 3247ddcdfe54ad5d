"""Calls of a user's code, whose failures become sentences with the name of what was called."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rgflow.energies.gradient import minus_gradient

FORCE_TOLERANCE = 1e-2
"""Largest difference of a force from the derivative, relative to the largest component."""

SEPARATE_TOLERANCE = 1e-3
"""The same for events alone and in a batch, which differ by rounding at most."""
MIXES = (
    "got other values for the same fields alone and in a batch, expected that samples of a batch "
    "do not influence each other: sums and means over the axes of a field, never over the first "
    "axis"
)


def generator_like(x: Tensor) -> torch.Generator:
    """A generator with always the same stream, on the device of x."""
    return torch.Generator(x.device).manual_seed(0)


def check_shape(what: str, value: Any, expected: tuple[int, ...], asked: str = "") -> None:
    """Refuses, with a ValueError, what is not a tensor of the expected shape."""
    got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
    if got != expected:
        raise ValueError(f"{what}: got {got}{asked}, expected a tensor of shape {expected}")


def check_separate(what: str, function: Callable[[Tensor], Tensor], events: Tensor) -> None:
    """Refuses, with a ValueError, a function of a batch whose samples influence each other."""
    together = tried(what, function, events)
    alone = torch.cat([tried(f"{what} of a batch of 1", function, one) for one in events.split(1)])
    if not (together - alone).abs().max() <= SEPARATE_TOLERANCE * alone.abs().max().clamp_min(1):
        raise ValueError(f"{what}: {MIXES}")


def tried(what: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's value, or a ValueError that says which member raised what."""
    try:
        return function(*arguments)
    except Exception as error:  # of code that is not ours
        raise ValueError(f"{what}: got {type(error).__name__}: {error}") from error


def try_force(
    what: str,
    force: Callable[[Tensor], Tensor],
    energy: Callable[[Tensor], Tensor],
    x: Tensor,
) -> None:
    """Refuses, with a ValueError, a force that is not minus the derivative of the energy at x.

    One that is near it, but of the batch and not of each field, is refused as well.
    """
    got = tried(what, force, x)
    check_shape(what, got, tuple(x.shape))
    expected = minus_gradient(energy, x)
    if not (got - expected).abs().max() <= FORCE_TOLERANCE * expected.abs().max():
        at = (got - expected).abs().argmax()
        raise ValueError(
            f"{what}: got {float(got.flatten()[at]):.4g} where -dE/dx is "
            f"{float(expected.flatten()[at]):.4g}, expected minus the derivative of the energy"
        )
    check_separate(what, force, x)
