"""The flow of the coupling step by step, and the correlation length that follows from it."""

import math

from rgflow.energies.exact import CRITICAL_COUPLING
from rgflow.realspace.coupling_map.coupling_flow import renormalized_coupling


def trajectory(J: float, steps: int, beta: float = 0.0) -> list[float]:
    """Couplings ``J, J', J'', ...`` after 0 to ``steps`` renormalizations.

    Args:
        J: First coupling, times inverse temperature.
        steps: Number of renormalizations.
        beta: Weight of the mutual information with the environment.

    Raises:
        ValueError: If a coupling on the way is out of the range 0 to 150.

    >>> [round(J, 4) for J in trajectory(0.4, 3)]
    [0.4, 0.3748, 0.3445, 0.3091]
    """
    couplings = [J]
    for _ in range(steps):
        couplings.append(renormalized_coupling(couplings[-1], beta))
    return couplings


def exact_correlation_length(J: float) -> float:
    r"""Correlation length of the Ising model on the infinite square lattice, along an axis.

    ``1/xi = ln coth J - 2J`` in the disordered phase, ``1/xi = 2 (2J - ln coth J)`` in the ordered
    phase.

    Args:
        J: Coupling times inverse temperature, > 0.

    Returns:
        The length in lattice spacings; infinity at the critical coupling.

    Raises:
        ValueError: If the coupling is not positive.
    """
    _check(J)
    rate = -math.log(math.tanh(J)) - 2 * J
    if abs(rate) < 1e-15:  # critical to within rounding errors
        return math.inf
    return 1 / rate if J < CRITICAL_COUPLING else -1 / (2 * rate)


def correlation_length(J: float, beta: float = 0.0, low: float = 0.1, high: float = 1.0) -> float:
    r"""Correlation length by the flow of the coupling, ``xi(J) = sqrt(2) xi(J')``.

    The flow is followed until the coupling is below ``low`` or above ``high``, where the exact
    length is taken. Near the fixed point this gives ``xi ~ |J - J*|^-nu`` with the exponent of the
    flow.

    Args:
        J: Coupling times inverse temperature, > 0.
        beta: Weight of the mutual information with the environment.
        low: Coupling below which the exact length is taken, in the disordered phase.
        high: Coupling above which the exact length is taken, in the ordered phase.

    Returns:
        The length in lattice spacings; infinity at the fixed point.

    Raises:
        ValueError: If the coupling is not positive.
    """
    _check(J)
    factor = 1.0
    while low <= J <= high:
        previous, J = J, renormalized_coupling(J, beta)
        if abs(J - previous) < 3e-15:  # at the fixed point to within rounding errors
            return math.inf
        factor *= math.sqrt(2)
    return factor * exact_correlation_length(J)


def _check(J: float) -> None:
    if not 0 < J < math.inf:
        raise ValueError(f"got the coupling {J}, expected a finite number > 0")
