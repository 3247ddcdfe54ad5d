"""An energy as a user writes one: a class of its own, that knows nothing of the package."""


class Wells:
    """Independent sites in ``(x^2 - 1)^2``."""

    def __init__(self, side=4):
        self.event_shape = (1, side, side)

    def energy(self, x):
        return (x**2 - 1).square().sum((1, 2, 3))
