"""What the samplers ask of an energy."""

from typing import Protocol

from torch import Tensor


class Target(Protocol):
    """The law ``exp(-E(x)) / Z``, by any object with these three members."""

    event_shape: tuple[int, ...]

    def energy(self, x: Tensor) -> Tensor:
        """``E(x)``, ``(B, *event_shape) -> (B,)``."""
        ...

    def force(self, x: Tensor) -> Tensor:
        """``-grad E(x)``, of the shape of x."""
        ...
