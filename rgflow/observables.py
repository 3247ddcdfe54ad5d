r"""Observables of fields and spins on a periodic lattice of N sites.

Configurations are ``(..., C, H, W)`` and give ``(...)``: one number for each. With several
channels (a complex field has two) they are the components of a vector:
``m_c = 1/N sum_x phi_c(x)`` and ``m^2 = sum_c m_c^2``. Functions of *means* over configurations
follow below; `rgflow.evaluation.observables_table` estimates them with errors.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Numbers measured on every configuration, all of one shape ``(...)``.

    Attributes:
        m2: ``m^2``.
        m4: ``m^4``.
        structure: Structure factor at the smallest momentum, see `structure_factor_minimum`; None
            on a lattice that is not square.
        abs_m: ``|m|``, or None where it was not measured.
        energy: ``E``, or None where it was not measured.
        energy_squared: ``E^2``, or None where it was not measured.
    """

    m2: Tensor
    m4: Tensor
    structure: Tensor | None
    abs_m: Tensor | None = None
    energy: Tensor | None = None
    energy_squared: Tensor | None = None


def magnetization(x: Tensor) -> Tensor:
    """Mean over the sites, ``(..., C, H, W) -> (..., C)``, in float64."""
    return _checked(x).mean((-2, -1), dtype=torch.float64)


def measure(x: Tensor, energies: Tensor | None = None) -> Moments:
    """The moments of configurations, and of their energies ``(...)`` if they are given.

    Raises:
        ValueError: If there are fewer than three axes, or the energies are not one for each.

    >>> float(measure(torch.full((5, 1, 4, 4), 0.5)).m2[0])
    0.25
    """
    m2 = magnetization(x).square().sum(-1)
    structure = structure_factor_minimum(x) if x.shape[-1] == x.shape[-2] else None
    if energies is None:
        return Moments(m2, m2**2, structure, m2.sqrt())
    if energies.shape != m2.shape:
        raise ValueError(
            f"got energies of shape {tuple(energies.shape)}, expected {tuple(m2.shape)}"
        )
    energies = energies.double()
    return Moments(m2, m2**2, structure, m2.sqrt(), energies, energies**2)


def measure_independent_spins(means: Tensor, energies: Tensor | None = None) -> Moments:
    r"""Moments of spins +1 and -1 with these means, averaged over independent spins exactly.

    Spins are independent of each other where an auxiliary field is given, as that of the Ising
    model. With means ``t_i``, ``<s_i s_j> = t_i t_j`` for i != j, and the moments of
    ``S = sum_i s_i`` follow from its cumulants: ``<S^2> = k2 + k1^2``,
    ``<S^4> = k4 + 4 k3 k1 + 3 k2^2 + 6 k2 k1^2 + k1^4``. Averages over fields of these moments are
    those of the spins, with less noise than of drawn spins. |m| and the energy's square have no
    such form.

    Args:
        means: ``t``, ``(..., 1, H, W)``, on sides of at least 2.
        energies: Mean energies ``(...)``, if they are known.

    Raises:
        ValueError: If there is not one channel, or a side is below 2.
    """
    if _checked(means).shape[-3] != 1 or min(means.shape[-2:]) < 2:
        raise ValueError(
            f"got {tuple(means.shape)}, expected (..., 1, H, W) with sides of 2 or more"
        )
    t = means.double()
    sites = t.shape[-1] * t.shape[-2]
    variance = _sum(1 - t**2)
    k1, k2, k3 = _sum(t), variance, _sum(2 * t**3 - 2 * t)
    k4 = _sum(8 * t**2 - 6 * t**4 - 2)
    second = k2 + k1**2
    fourth = k4 + 4 * k3 * k1 + 3 * k2**2 + 6 * k2 * k1**2 + k1**4
    structure = None
    if t.shape[-1] == t.shape[-2]:
        structure = structure_factor_minimum(t) + variance / sites
    return Moments(second / sites**2, fourth / sites**4, structure, energy=energies)


def two_point_function(x: Tensor) -> Tensor:
    """``G(r) = 1/N sum_x sum_c phi_c(x) phi_c(x + r)``, ``(..., C, H, W) -> (..., H, W)``.

    It is not connected: ``sum_r G(r) = N m^2``.
    """
    spectrum = torch.fft.rfft2(_checked(x).double()).abs().square().sum(-3)
    return torch.fft.irfft2(spectrum, s=x.shape[-2:]) / (x.shape[-1] * x.shape[-2])


def two_point_on_axes(x: Tensor) -> Tensor:
    """``G`` at distances 0 to L/2, averaged over the two axes, ``(..., L // 2 + 1)``."""
    g = two_point_function(_square(x))
    count = x.shape[-1] // 2 + 1
    return 0.5 * (g[..., 0, :count] + g[..., :count, 0])


def time_slice_correlator(x: Tensor) -> Tensor:
    """Two-point function between rows at zero momentum, ``C(t) = sum_r G(t, r)``, ``(..., H)``.

    It decays like ``exp(-t / xi)``.
    """
    return two_point_function(x).sum(-1)


def structure_factor_minimum(x: Tensor) -> Tensor:
    """``1/N sum_c |phi_c(k)|^2`` at ``|k| = 2 pi / L``, averaged over the axes, ``(...)``."""
    rows = _square(x).sum(-1, dtype=torch.float64)  # (..., C, L)
    columns = x.sum(-2, dtype=torch.float64)
    modes = torch.fft.rfft(torch.stack([rows, columns]))[..., 1]  # (2, ..., C)
    return modes.abs().square().sum(-1).mean(0) / x.shape[-1] ** 2


def amplitude(x: Tensor) -> Tensor:
    """Mean length of the field at a site, ``1/N sum_x |phi(x)|``, ``(..., C, H, W) -> (...)``."""
    return _checked(x).double().square().sum(-3).sqrt().mean((-2, -1))


def helicity_modulus(x: Tensor, hopping: float) -> Tensor:
    r"""Stiffness of the phase, whose mean over configurations is ``d^2 f / d alpha^2`` at 0.

    With ``E = -t sum_<ij> Re(conj(phi_i) phi_j) + ...`` and all bonds along one axis turned by
    ``alpha``, the free energy per site f has the second derivative
    ``<t/N sum_x Re(conj(phi_x) phi_x') - t^2/N (sum_x Im(conj(phi_x) phi_x'))^2>``, where x' is
    the next site along the axis. This is its average over both axes. Where correlations decay as
    ``r^-eta``, ``eta = 1 / (2 pi Upsilon)``.

    Args:
        x: Fields of two components, ``(..., 2, H, W)``.
        hopping: t, where each bond counts once.

    Returns:
        ``(...)``, float64.

    Raises:
        ValueError: If there are not two components.

    Reference: Weber and Minnhagen, Phys. Rev. B 37, 5986 (1988).
    """
    if _checked(x).shape[-3] != 2:
        raise ValueError(f"got {x.shape[-3]} components, expected two, of a complex field")
    sites = x.shape[-1] * x.shape[-2]
    x = x.double()
    axes = []
    for axis in (-2, -1):
        (a, b), (c, d) = (v.unbind(-3) for v in (x, x.roll(-1, axis)))
        along, across = (a * c + b * d).sum((-2, -1)), (a * d - b * c).sum((-2, -1))
        axes.append(hopping * along - hopping**2 * across.square())
    return (axes[0] + axes[1]) / (2 * sites)


def susceptibility(m2: Tensor, sites: int) -> Tensor:
    """``chi = N <m^2>`` of the symmetric phase, without a subtraction of ``<|m|>``.

    Args:
        m2: ``<m^2>``, of the magnetization per site.
        sites: N.
    """
    return sites * m2


def connected_susceptibility(abs_m: Tensor, m2: Tensor, sites: int) -> Tensor:
    """``chi' = N (<m^2> - <|m|>^2)``, finite in the ordered phase as well.

    Args:
        abs_m: ``<|m|>``, of the magnetization per site.
        m2: ``<m^2>``.
        sites: N.
    """
    return sites * (m2 - abs_m**2)


def binder_cumulant(m2: Tensor, m4: Tensor) -> Tensor:
    """``U = 1 - <m^4> / (3 <m^2>^2)``: 2/3 in the ordered phase, 0 for a Gaussian scalar m."""
    return 1 - m4 / (3 * m2**2)


def specific_heat(energy: Tensor, energy_squared: Tensor, sites: int) -> Tensor:
    """``c = (<E^2> - <E>^2) / N`` per site, in units of k_B.

    E includes the inverse temperature. For Ising it is the energy of the spins, not that of the
    continuous dual, which fluctuates differently.

    Args:
        energy: ``<E>`` of the whole lattice.
        energy_squared: ``<E^2>``.
        sites: N.
    """
    return (energy_squared - energy**2) / sites


def correlation_length(m2: Tensor, structure: Tensor, side: int) -> Tensor:
    r"""Second-moment correlation length in lattice spacings.

    ``xi = 1 / (2 sin(pi / L)) sqrt(G(k=0) / G(k_min) - 1)`` with ``G(k=0) = N <m^2>`` and
    ``k_min = 2 pi / L``; exactly ``1 / m`` for a free field of propagator ``1 / (m^2 + khat^2)``.
    It is not a number where ``G(k=0) < G(k_min)``. G is not connected: in the ordered phase, where
    m^2 does not vanish, this is not a length and grows with the volume.
    """
    ratio = side**2 * m2 / structure
    return (ratio - 1).sqrt() / (2 * math.sin(math.pi / side))


def _sum(x: Tensor) -> Tensor:
    return x.sum((-3, -2, -1))


def _checked(x: Tensor) -> Tensor:
    if x.dim() < 3:
        raise ValueError(f"got configurations of shape {tuple(x.shape)}, expected (..., C, H, W)")
    return x


def _square(x: Tensor) -> Tensor:
    if _checked(x).shape[-1] != x.shape[-2] or x.shape[-1] < 2:
        raise ValueError(f"got a lattice {tuple(x.shape[-2:])}, expected a square of side >= 2")
    return x
