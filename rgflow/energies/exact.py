"""Exact solutions of the Ising model on finite periodic lattices, in float64.

Each of the ``N = height * width`` sites has a bond to its right and one to its lower neighbour
with wrap-around, ``2 N`` bonds: on a side of 2 bonds are double, on a side of 1 a site is bound to
itself, which adds a constant. The answers for the free field have their names here too.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.energies.free_field import free_field_log_z as free_field_log_z
from rgflow.energies.free_field import free_field_two_point as free_field_two_point
from rgflow.energies.parameters import check_finite, check_lattice
from rgflow.energies.transfer_matrix import ising_m2 as ising_m2
from rgflow.lattice.operators import bond_sum
from rgflow.runtime.counts import takes_counts

CRITICAL_COUPLING: float = math.log(1 + math.sqrt(2)) / 2
"""J at the transition of the infinite square lattice, ``sinh 2J = 1``."""

MAX_ENUMERATED = 16
"""Sites up to which `ising_brute_force` enumerates."""


class IsingMoments(NamedTuple):
    """Exact averages of a small Ising model.

    Attributes:
        log_z: ``ln Z``.
        energy: Internal energy per site in units of J, see `ising_energy`.
        specific_heat: Specific heat per site, see `ising_specific_heat`.
        abs_m: ``<|m|>``, where m is the mean spin.
        m2: ``<m^2>``.
        m4: ``<m^4>``.
    """

    log_z: float
    energy: float
    specific_heat: float
    abs_m: float
    m2: float
    m4: float


@takes_counts
def ising_log_z(height: int, width: int, coupling: float) -> float:
    """``ln Z = ln sum_s exp(J sum_<ij> s_i s_j)`` on the torus, at any temperature.

    It is Kaufman's sum of four products over the momenta of a row, which takes O(width)
    operations. A negative coupling is accepted on even sides, where it is equivalent to the
    positive one.

    Args:
        height: Rows, at least 1.
        width: Columns, at least 1.
        coupling: J in units of the temperature.

    Raises:
        ValueError: For an empty lattice, a coupling that is not finite, or a negative one with an
            odd side.

    Reference: B. Kaufman, Phys. Rev. 76, 1232 (1949).

    >>> round(ising_log_z(8, 8, CRITICAL_COUPLING), 6)
    60.141781
    """
    return _derivatives(height, width, coupling, order=0)


@takes_counts
def ising_energy(height: int, width: int, coupling: float) -> float:
    """Internal energy per site in units of J, ``u = -<sum_<ij> s_i s_j> / N = -(d ln Z/dJ) / N``.

    Arguments and errors are those of `ising_log_z`.

    >>> round(ising_energy(64, 64, CRITICAL_COUPLING), 3)  # -sqrt 2 on the infinite lattice
    -1.424
    """
    return -_derivatives(height, width, coupling, order=1) / (height * width)


@takes_counts
def ising_specific_heat(height: int, width: int, coupling: float) -> float:
    """Specific heat per site in units of k_B, ``c = (<H^2> - <H>^2) / N = J^2 (d2 ln Z/dJ2) / N``.

    Here ``H = -J sum_<ij> s_i s_j`` includes J. Arguments and errors are those of
    `ising_log_z`.

    >>> ising_specific_heat(8, 8, 0.0)
    0.0
    """
    return coupling**2 * _derivatives(height, width, coupling, order=2) / (height * width)


@takes_counts
def ising_brute_force(height: int, width: int, coupling: float) -> IsingMoments:
    """Averages over all ``2**N`` configurations, for a coupling of either sign.

    Args:
        height: Rows, at least 1.
        width: Columns, at least 1; at most 16 sites in all.
        coupling: J in units of the temperature.

    Raises:
        ValueError: For more than 16 sites, an empty lattice or a coupling that is not finite.

    >>> round(ising_brute_force(4, 4, CRITICAL_COUPLING).m2, 6)
    0.761359
    """
    check_lattice(height, width)
    check_finite(coupling=coupling)
    sites = height * width
    if sites > MAX_ENUMERATED:
        raise ValueError(f"got {height} x {width} sites, expected at most {MAX_ENUMERATED}")
    bits = torch.arange(2**sites)[:, None] >> torch.arange(sites) & 1
    spins = (2 * bits - 1).double().reshape(-1, height, width)  # (2**N, H, W)
    bonds = bond_sum(spins)
    log_z = (coupling * bonds).logsumexp(0)
    weights = (coupling * bonds - log_z).exp()
    mean_bonds = weights @ bonds
    variance = weights @ (bonds - mean_bonds).square()
    m = spins.mean((1, 2))
    return IsingMoments(
        log_z=log_z.item(),
        energy=-mean_bonds.item() / sites,
        specific_heat=coupling**2 * variance.item() / sites,
        abs_m=(weights @ m.abs()).item(),
        m2=(weights @ m**2).item(),
        m4=(weights @ m**4).item(),
    )


def _derivatives(height: int, width: int, coupling: float, order: int) -> float:
    """The derivative of ln Z with respect to J, of the given order."""
    check_lattice(height, width)
    check_finite(coupling=coupling)
    sign = 1.0
    if coupling < 0:
        if height % 2 or width % 2:
            raise ValueError(
                f"got the coupling {coupling} on {height} x {width} sites: a negative one is "
                "frustrated there, expected even sides"
            )
        # turning every second spin over changes the sign of J
        coupling, sign = -coupling, (-1.0) ** order
    with torch.inference_mode(False), torch.enable_grad():
        j = torch.tensor(coupling, dtype=torch.float64, requires_grad=True)
        value = _kaufman(height, width, j)
        for _ in range(order):
            (value,) = torch.autograd.grad(value, j, create_graph=True)
    return sign * value.item()


def _kaufman(height: int, width: int, j: Tensor) -> Tensor:
    r"""ln Z for J >= 0, twice differentiable in J.

    ``2 Z`` is the sum of ``prod_q (u_q^m + v_q^m)`` and ``prod_q (u_q^m - v_q^m)``, m = height,
    over the odd and over the even momenta ``q = pi l / width``. Written with ``e = exp(-2J)``,
    ``u, v = (b +- a) exp(2J) / 2``,
    ``a^2 = (1 - e^2 - 2 e)^2 + 4 e (1 - e^2) sin^2(q/2)``,
    ``b^2 = (1 + e^2)^2 + 4 e (1 - e^2) sin^2(q/2)``,
    nothing grows but the explicit factor ``exp(2J)``. The ratio is ``v/u = exp(-gamma_q)`` of
    Kaufman's angles, and her signed ``gamma_0 = 2J + ln tanh J`` is the root
    ``a = 1 - e^2 - 2 e`` at q = 0, negative above the critical temperature.
    """
    e = torch.exp(-2 * j)
    gap = -torch.expm1(-4 * j)  # 1 - e^2
    level = torch.arange(1, 2 * width, dtype=torch.float64)
    bend = 4 * e * gap * torch.sin(math.pi * level / (2 * width)).square()
    a = ((gap - 2 * e).square() + bend).sqrt()
    b = ((1 + e * e).square() + bend).sqrt()
    log_u = (b + a).log()
    power = (4 * e * gap / (b + a).square()) ** height  # (v/u)^m, with b^2 - a^2 = 4 e (1 - e^2)
    plus, minus = torch.log1p(power), torch.log1p(-power)
    odd, even = slice(0, None, 2), slice(1, None, 2)

    # the mode q = 0 changes sign at criticality: kept out of the logarithms
    u, v = -2 * torch.expm1(-2 * j), 2 * e * (1 + e)
    top = torch.maximum(u, v).detach()  # the scale is a constant for the derivatives
    u, v = (u / top) ** height, (v / top) ** height
    log_even = height * (log_u[even].sum() + top.log())
    log_odd = height * log_u[odd].sum()
    logs = torch.stack(
        [
            log_odd + plus[odd].sum(),
            log_odd + minus[odd].sum(),
            log_even + plus[even].sum(),
            log_even + minus[even].sum(),
        ]
    )
    one = torch.ones_like(u)
    largest = logs.max().detach()
    total = (torch.stack([one, one, u + v, u - v]) * (logs - largest).exp()).sum()
    scale = height * width * (2 * j - math.log(2))
    return scale + largest + total.log() - math.log(2)
