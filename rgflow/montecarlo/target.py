"""What the samplers ask of an energy."""

from typing import Protocol

from torch import Tensor

from rgflow.energies.symmetries import HasEnergy


class Target(HasEnergy, Protocol):
    """The law ``exp(-E(x)) / Z``, by any object with ``event_shape``, ``energy`` and ``force``."""

    def force(self, x: Tensor) -> Tensor:
        """``-grad E(x)``, of the shape of x."""
        ...
