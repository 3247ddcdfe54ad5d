"""Monte-Carlo renormalization group: exponents from correlations of block spins."""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

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
"""Products of an even number of spins, one of each class of images, from short to long."""

_SPINS_AT_ONCE = 2**19


class ThermalExponent(NamedTuple):
    """Largest eigenvalue of the linearised map, nu of it, and the jackknife errors of both."""

    eigenvalue: float
    eigenvalue_error: float
    nu: float
    nu_error: float


def images(sites: Sites) -> list[Sites]:
    """All different sets of sites made of one by rotations and reflections, up to translation.

    >>> images(((0, 0), (0, 1)))
    [((0, 0), (0, 1)), ((0, 0), (1, 0))]
    """
    found = set()
    for flip_row in (1, -1):
        for flip_column in (1, -1):
            for swap in (False, True):
                turned = [(flip_row * r, flip_column * c) for r, c in sites]
                turned = [(c, r) for r, c in turned] if swap else turned
                top, left = min(r for r, _ in turned), min(c for _, c in turned)
                found.add(tuple(sorted((r - top, c - left) for r, c in turned)))
    return sorted(found)


def measure(spins: Tensor, couplings: Mapping[str, Sites] = EVEN_COUPLINGS) -> Tensor:
    r"""Sums over the torus, ``S_a = sum_x sum_images prod_sites s``.

    Args:
        spins: +1 and -1, ``(..., H, W)``.
        couplings: Sites of the products, by name.

    Returns:
        ``(..., couplings)``, float64.
    """
    columns = []
    for sites in couplings.values():
        total = torch.zeros(spins.shape[:-2], dtype=torch.float64, device=spins.device)
        for image in images(sites):
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
    """`measure` before and after each of some blockings.

    Args:
        spins: Configurations ``(N, ..., H, W)``.
        block: One renormalization, ``(..., H, W) -> (..., H / b, W / b)``.
        levels: Number of blockings.
        couplings: Sites of the products.

    Returns:
        ``levels + 1`` tensors ``(N, ..., couplings)``.
    """
    # part by part, so that what is rolled and multiplied stays in the cache
    parts = spins.split(max(1, _SPINS_AT_ONCE // spins[0].numel()))
    by_part = [_measure_part(part, block, levels, couplings) for part in parts]
    return [torch.cat(level) for level in zip(*by_part, strict=True)]


def _measure_part(
    spins: Tensor,
    block: Callable[[Tensor], Tensor],
    levels: int,
    couplings: Mapping[str, Sites],
) -> list[Tensor]:
    measured = [measure(spins, couplings)]
    for _ in range(levels):
        spins = block(spins)
        measured.append(measure(spins, couplings))
    return measured


def linearised_map(fine: Tensor, coarse: Tensor) -> Tensor:
    r"""Swendsen's matrix ``T = dK'_a / dK_b`` at the coupling of the simulation.

    ``sum_c <S'_a S'_c>_conn T_cb = <S'_a S_b>_conn``, since ``d<S'_a>/dK_b = <S'_a S_b>_conn``.

    Args:
        fine: ``S_b`` of configurations, ``(N, couplings)``.
        coarse: ``S'_a`` of the same configurations after a blocking, ``(N, couplings)``.

    Returns:
        ``(couplings, couplings)``.

    Raises:
        ValueError: If a combination of couplings does not fluctuate.

    Reference: R. H. Swendsen, Phys. Rev. Lett. 42, 859 (1979).
    """
    return _solve(_moments(fine, coarse).mean(0))


def thermal_exponent(
    fine: Tensor, coarse: Tensor, rescaling: float = 2.0, bins: int = 40
) -> ThermalExponent:
    r"""The exponent ``nu = ln b / ln lambda`` from the largest eigenvalue of Swendsen's matrix.

    Args:
        fine: Measured before the blocking, in the order of time, ``(T, chains, couplings)``.
        coarse: After it.
        rescaling: b.
        bins: Stretches of time, each much longer than the autocorrelation time, that are left out
            in turn for the error.

    Raises:
        ValueError: If shapes differ or there are fewer times than bins, or fewer than 10 bins; if
            the rescaling is not above 1; or if there is no eigenvalue above 1, or spins that never
            change, in the measurements or those without one bin.
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
    without = (by_bin.sum(0) - by_bin) / (bins - 1)
    full = _largest_eigenvalue(_solve(by_bin.mean(0)))
    parts = _largest_eigenvalue(_solve(without))
    smallest = min(full.item(), parts.min().item())
    if not smallest > 1:  # a NaN, too
        raise ValueError(
            f"got a largest eigenvalue of {smallest:.4g} of the linearised map, expected one above"
            " 1, which takes correlations across the blocking and enough measurements"
        )
    nu = math.log(rescaling) / full.log()
    return ThermalExponent(
        full.item(),
        _jackknife_error(parts),
        nu.item(),
        _jackknife_error(math.log(rescaling) / parts.log()),
    )


def _moments(fine: Tensor, coarse: Tensor) -> Tensor:
    """Products of (1, S') with (1, S) and with (1, S'), ``(..., 2, n + 1, n + 1)``."""
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
            "got measurements whose covariance has no inverse, expected couplings that fluctuate "
            "and more configurations than couplings"
        ) from error


def _largest_eigenvalue(matrix: Tensor) -> Tensor:
    values = torch.linalg.eigvals(matrix)
    return values.real.amax(-1)


def _jackknife_error(parts: Tensor) -> float:
    count = len(parts)
    return ((count - 1) / count * (parts - parts.mean()).square().sum()).sqrt().item()
