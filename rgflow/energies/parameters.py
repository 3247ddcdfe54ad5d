"""Checks of an energy's parameters; each raises a ValueError that names the parameter."""

import math


def check_side(side: int) -> None:
    """Refuses a lattice on which a site would be its own neighbour."""
    if side < 2:
        raise ValueError(f"side: got {side}, expected at least 2")


def check_lattice(height: int, width: int) -> None:
    """Refuses a lattice without sites."""
    if height < 1 or width < 1:
        raise ValueError(f"got a lattice of {height} x {width} sites, expected at least 1 x 1")


def check_finite(**values: float) -> None:
    """Refuses a parameter that is infinite or not a number."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise ValueError(f"{name}: got {value}, expected a finite number")


def check_positive(**values: float) -> None:
    """Refuses a parameter that is not a positive finite number."""
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name}: got {value}, expected a positive finite number")
