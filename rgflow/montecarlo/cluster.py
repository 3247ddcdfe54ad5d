"""Cluster updates of the Ising model."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rgflow.lattice.operators import bond_sum
from rgflow.runtime.counts import takes_counts
from rgflow.runtime.progress import progress

PART = 256
"""States of each chain whose energies are computed at a time, so that memory does not grow."""


class ClusterChains(NamedTuple):
    """States of Markov chains of Ising spins, and improved estimators.

    Attributes:
        samples: Spins, int8 ``(T, B, H, W)``.
        energies: ``-J sum_<ij> s_i s_j``, ``(T, B)``, float64.
        cluster_m2: Mean of m^2 over all signs of the clusters, ``(T, B)``, where m is the mean
            over the sites. It has the mean of m^2 and a smaller variance.
        cluster_m4: The same for m^4.
    """

    samples: Tensor
    energies: Tensor
    cluster_m2: Tensor
    cluster_m4: Tensor


@takes_counts
def swendsen_wang(
    height: int,
    width: int,
    coupling: float,
    *,
    sweeps: int,
    chains: int,
    warmup: int,
    generator: torch.Generator,
    spins: Tensor | None = None,
    thin: int = 1,
) -> ClusterChains:
    r"""Swendsen-Wang updates of ``E = -J sum_<ij> s_i s_j`` on a torus, several chains at once.

    Equal neighbours are bound with probability ``1 - exp(-2 J)`` and every cluster gets a random
    sign. Each site has bonds to its right and lower neighbour, so that a side of 2 has double
    bonds and a side of 1 has bonds of sites with themselves.

    Args:
        height: Lattice height.
        width: Lattice width.
        coupling: J >= 0, which includes the inverse temperature.
        sweeps: Updates of each chain after the warm-up.
        chains: B.
        warmup: Updates of each chain before the first state.
        generator: Source of all randomness, on any device.
        spins: Starts ``(B, height, width)`` of +1 and -1. If None, half of the chains start
            ordered and half disordered.
        thin: Every ``thin``-th state is kept.

    Raises:
        ValueError: If a number is out of its range, or the starts are not such spins.

    Reference: Swendsen and Wang, Phys. Rev. Lett. 58, 86 (1987); improved estimators Wolff,
    Phys. Rev. Lett. 60, 1461 (1988).

    >>> chains = swendsen_wang(
    ...     8, 8, 0.3, sweeps=10, chains=2, warmup=5, generator=torch.Generator().manual_seed(0)
    ... )
    >>> chains.samples.shape, chains.energies.shape
    (torch.Size([10, 2, 8, 8]), torch.Size([10, 2]))
    """
    if min(height, width, chains) < 1 or not 1 <= thin <= sweeps or warmup < 0:
        raise ValueError(
            f"got height={height}, width={width}, chains={chains}, sweeps={sweeps}, thin={thin}, "
            f"warmup={warmup}, expected at least 1, 1, 1, thin, 1, 0"
        )
    if not 0 <= coupling < float("inf"):
        raise ValueError(f"got the coupling {coupling}, expected a finite number >= 0")
    rng = numpy_generator(generator)
    shape = (chains, height, width)
    state = _start(shape, rng) if spins is None else _checked(spins, shape)
    bonds = neighbours(shape)
    kept = sweeps // thin
    samples = np.empty((kept, *shape), dtype=np.int8)
    moments = np.empty((2, kept, chains))
    for sweep in progress(range(1 - warmup, sweeps + 1), "sweeps"):
        sizes = cluster_sweep(state, bonds, coupling, rng)
        if sweep > 0 and sweep % thin == 0:
            samples[sweep // thin - 1] = state.reshape(shape)
            moments[:, sweep // thin - 1] = _cluster_moments(sizes.reshape(chains, -1))
    samples = torch.from_numpy(samples)
    m2, m4 = torch.from_numpy(moments)
    bonds = torch.cat([bond_sum(part) for part in samples.split(PART)])
    return ClusterChains(samples, -coupling * bonds, m2, m4)


def _start(shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    state = rng.integers(0, 2, shape, dtype=np.int8) * np.int8(2) - np.int8(1)
    state[::2] = 1
    return state.ravel()


def _checked(spins: Tensor, shape: tuple[int, int, int]) -> np.ndarray:
    if tuple(spins.shape) != shape or not (spins.abs() == 1).all():
        raise ValueError(
            f"got starts of shape {tuple(spins.shape)}, expected {shape} with entries +1 and -1"
        )
    return spins.to("cpu", torch.int8, copy=True).numpy().ravel()


def numpy_generator(generator: torch.Generator) -> np.random.Generator:
    """A generator of numpy, several times as fast on a CPU, with a seed drawn from torch's."""
    seed = torch.randint(2**63 - 1, (), generator=generator, device=generator.device)
    return np.random.default_rng(int(seed))


def neighbours(shape: tuple[int, int, int]) -> np.ndarray:
    """Right and lower neighbour of each site of each chain, ``(chains * sites, 2)``."""
    site = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    return np.stack([np.roll(site, -1, 2).ravel(), np.roll(site, -1, 1).ravel()], 1)


def cluster_sweep(
    state: np.ndarray, bonds: np.ndarray, coupling: float | np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """One Swendsen-Wang sweep in place; returns the size of each site's cluster, ``(sites,)``.

    Args:
        state: Spins, int8, of all sites of all chains, ``(sites,)``.
        bonds: `neighbours` of them, ``(sites, 2)``.
        coupling: J, or one for each bond, ``(sites, 2)``.
        rng: Source of all randomness.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    sites = len(state)
    bound = state[bonds] == state[:, None]
    bound &= rng.random((sites, 2), dtype=np.float32) < -np.expm1(-2 * coupling)
    # the bonds are sorted by site, which makes them the rows of a sparse matrix as they are
    rows = np.zeros(sites + 1, dtype=np.int32)
    np.cumsum(bound.sum(1), out=rows[1:])
    columns = bonds[bound]
    graph = csr_array((np.ones(len(columns), dtype=np.int8), columns, rows), (sites, sites))
    count, label = connected_components(graph, directed=False)
    sign = rng.integers(0, 2, count, dtype=np.int8) * np.int8(2) - np.int8(1)
    state *= sign[label]
    return np.bincount(label, minlength=count)[label]


def _cluster_moments(sizes: np.ndarray) -> np.ndarray:
    """Means of m^2 and m^4 over the signs, ``(2, B)``, from each site's cluster size ``(B, N)``.

    With ``S = sum_c sign_c n_c``: ``<S^2> = sum n^2`` and ``<S^4> = 3 (sum n^2)^2 - 2 sum n^4``; a
    sum over clusters of ``n f(n)`` is a sum over sites of ``f(n)``.
    """
    n = sizes.astype(np.float64)
    second, fourth = n.sum(1), (n**3).sum(1)
    sites = sizes.shape[1]
    return np.stack([second / sites**2, (3 * second**2 - 2 * fourth) / sites**4])
