"""Monte-Carlo renormalization group: exponents from correlations of block spins.

The operators ``S_a`` are sums over the lattice of products of spins, the couplings ``K_a`` their
coefficients in the energy.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from rgflow.statistics.jackknife import jackknife_error

Sites = tuple[tuple[int, int], ...]

EVEN_COUPLINGS: dict[str, Sites] = {
    "nearest": ((0, 0), (0, 1)),
    "diagonal": ((0, 0), (1, 1)),
    "plaquette": ((0, 0), (0, 1), (1, 0), (1, 1)),
    "third": ((0, 0), (0, 2)),
    "knight": ((0, 0), (1, 2)),
    "diamond": ((0, 1), (1, 0), (1, 2), (2, 1)),
    "far diagonal": ((0, 0), (2, 2)),
}
"""Sites of the even operators, one of each set of symmetry images, from short to long range."""

_SPINS_AT_ONCE = 2**19


class ThermalExponent(NamedTuple):
    """Largest eigenvalue of the linearised map and its exponent nu, with jackknife errors."""

    eigenvalue: float
    eigenvalue_error: float
    nu: float
    nu_error: float


def symmetry_images(sites: Sites) -> list[Sites]:
    """All distinct images of a set of sites under rotations and reflections, up to translation.

    >>> symmetry_images(((0, 0), (0, 1)))
    [((0, 0), (0, 1)), ((0, 0), (1, 0))]
    """
    images = set()
    for flip_row in (1, -1):
        for flip_column in (1, -1):
            for swap in (False, True):
                turned = [(flip_row * r, flip_column * c) for r, c in sites]
                turned = [(c, r) for r, c in turned] if swap else turned
                top, left = min(r for r, _ in turned), min(c for _, c in turned)
                images.add(tuple(sorted((r - top, c - left) for r, c in turned)))
    return sorted(images)


def measure_operators(spins: Tensor, couplings: Mapping[str, Sites] = EVEN_COUPLINGS) -> Tensor:
    r"""Operators ``S_a = sum_x sum_images prod_sites s`` of configurations on a torus.

    The sums are over all translations x and all symmetry images of the sites.

    Args:
        spins: Spins +1 and -1, ``(..., H, W)``.
        couplings: Sites of the product of spins in each operator, by name.

    Returns:
        ``(..., couplings)``, float64.
    """
    columns = []
    for sites in couplings.values():
        total = torch.zeros(spins.shape[:-2], dtype=torch.float64, device=spins.device)
        for image in symmetry_images(sites):
            product = torch.ones_like(spins)
            for row, column in image:
                product = product * spins.roll((-row, -column), (-2, -1))
            total = total + product.sum((-2, -1)).double()
        columns.append(total)
    return torch.stack(columns, -1)


def measure_levels(
    spins: Tensor,
    block: Callable[[Tensor], Tensor],
    levels: int,
    couplings: Mapping[str, Sites] = EVEN_COUPLINGS,
) -> list[Tensor]:
    """Operators of the configurations after 0 to ``levels`` blockings.

    Args:
        spins: Configurations of spins +1 and -1, ``(N, ..., H, W)``.
        block: One blocking, ``(..., H, W) -> (..., H / b, W / b)``.
        levels: Number of blockings.
        couplings: Sites of the product of spins in each operator, by name.

    Returns:
        ``levels + 1`` tensors ``(N, ..., couplings)``; see `measure_operators`.
    """
    # in parts whose products of rolled spins stay in the cache
    parts = spins.split(max(1, _SPINS_AT_ONCE // spins[0].numel()))
    by_part = [_measure_part(part, block, levels, couplings) for part in parts]
    return [torch.cat(level) for level in zip(*by_part, strict=True)]


def _measure_part(
    spins: Tensor,
    block: Callable[[Tensor], Tensor],
    levels: int,
    couplings: Mapping[str, Sites],
) -> list[Tensor]:
    measured = [measure_operators(spins, couplings)]
    for _ in range(levels):
        spins = block(spins)
        measured.append(measure_operators(spins, couplings))
    return measured


def linearised_map(fine: Tensor, coarse: Tensor) -> Tensor:
    r"""Swendsen's matrix ``T_ab = dK'_a / dK_b`` at the couplings of the simulation.

    It solves ``sum_c <S'_a S'_c>_conn T_cb = <S'_a S_b>_conn``, which follows from
    ``d<S'_a>/dK_b = <S'_a S_b>_conn`` and the chain rule.

    Args:
        fine: Operators ``S_b`` of the configurations, ``(N, couplings)``.
        coarse: Operators ``S'_a`` of the same configurations after a blocking, ``(N, couplings)``.

    Returns:
        ``(couplings, couplings)``.

    Raises:
        ValueError: If a linear combination of the operators does not fluctuate.

    Reference: R. H. Swendsen, Phys. Rev. Lett. 42, 859 (1979).
    """
    return _solve(_moments(fine, coarse).mean(0))


def thermal_exponent(
    fine: Tensor, coarse: Tensor, rescaling: float = 2.0, bins: int = 40
) -> ThermalExponent:
    r"""The exponent ``nu = ln b / ln lambda`` from the largest eigenvalue of Swendsen's matrix.

    Args:
        fine: Operators before the blocking, in the order of time, ``(T, chains, couplings)``.
        coarse: Operators after the blocking, of the same shape.
        rescaling: Length rescaling factor b of the blocking.
        bins: Number of bins in time for the jackknife, which leaves out one at a time. Each must
            be much longer than the autocorrelation time.

    Raises:
        ValueError: If the shapes differ, the bins are fewer than 10 or more than T, the rescaling
            is not above 1, the operators do not fluctuate, or the largest eigenvalue, also with
            any bin left out, is not above 1.

    Reference: R. H. Swendsen, Phys. Rev. Lett. 42, 859 (1979).
    """
    if not 1 < rescaling < math.inf:
        raise ValueError(f"got the rescaling {rescaling}, expected a finite number > 1")
    if fine.shape != coarse.shape or fine.dim() != 3 or not 10 <= bins <= len(fine):
        raise ValueError(
            f"got measurements of shape {tuple(fine.shape)} and {tuple(coarse.shape)} in {bins} "
            "bins, expected equal shapes (T, B, couplings) and 10 to T bins"
        )
    used = len(fine) // bins * bins
    moments = _moments(fine[:used], coarse[:used])  # (T, B, 2, n + 1, n + 1)
    by_bin = moments.unflatten(0, (bins, -1)).mean((1, 2))
    leave_one_out = (by_bin.sum(0) - by_bin) / (bins - 1)
    eigenvalue = _largest_eigenvalue(_solve(by_bin.mean(0)))
    eigenvalues = _largest_eigenvalue(_solve(leave_one_out))  # (bins,)
    smallest = min(eigenvalue.item(), eigenvalues.min().item())
    if not smallest > 1:  # refuses NaN as well
        raise ValueError(
            f"got a largest eigenvalue of {smallest:.4g} of the linearised map, expected one above"
            " 1, which takes correlations across the blocking and enough measurements"
        )
    nu = math.log(rescaling) / eigenvalue.log()
    return ThermalExponent(
        eigenvalue.item(),
        jackknife_error(eigenvalues),
        nu.item(),
        jackknife_error(math.log(rescaling) / eigenvalues.log()),
    )


def _moments(fine: Tensor, coarse: Tensor) -> Tensor:
    """Products of (1, S') with (1, S) and of (1, S') with (1, S'), ``(..., 2, n + 1, n + 1)``."""
    one = torch.ones_like(fine[..., :1])
    fine, coarse = torch.cat([one, fine], -1), torch.cat([one, coarse], -1)
    both = torch.stack([fine, coarse], -2)  # (..., 2, n + 1)
    return coarse[..., None, :, None] * both[..., :, None, :]


def _solve(moments: Tensor) -> Tensor:
    """Matrix of the linearised map from mean moments ``(..., 2, n + 1, n + 1)``."""
    connected = moments[..., 1:, 1:] - moments[..., 1:, :1] * moments[..., :1, 1:]
    mixed, own = connected.unbind(-3)
    try:
        return torch.linalg.solve(own, mixed)
    except torch.linalg.LinAlgError as error:
        raise ValueError(
            "got operators whose covariance has no inverse, expected couplings that fluctuate "
            "and more configurations than couplings"
        ) from error


def _largest_eigenvalue(matrix: Tensor) -> Tensor:
    values = torch.linalg.eigvals(matrix)
    return values.real.amax(-1)
