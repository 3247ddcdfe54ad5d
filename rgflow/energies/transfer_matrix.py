"""Magnetization of the Ising model on a finite torus, exactly, by its transfer matrix."""

import math
from collections.abc import Callable
from functools import reduce

import numpy as np

LARGEST_SIDE = 16
"""Its rows have ``2**16`` states; the answer takes some ten seconds."""
DENSE_SIDE = 8
"""Up to this side all eigenvectors are found at once."""
LEAST_COUPLING = 0.1
"""Above `DENSE_SIDE` the coupling must be at least this, so that few eigenvectors suffice."""
KEPT = 80
"""Leading eigenvectors that are kept above `DENSE_SIDE`. Without the rest the answer is off by
less than 1e-10 of itself; on sides 9 and 10, where all are known, by 1.2e-11 at most."""
TOGETHER = 4
"""Bonds between two rows that are one matrix."""


def can_have_m2(side: int, coupling: float) -> bool:
    """Whether `ising_m2` is known for this side and this finite coupling."""
    return 2 <= side <= DENSE_SIDE or (side <= LARGEST_SIDE and coupling >= LEAST_COUPLING)


def ising_m2(side: int, coupling: float) -> float:
    r"""``<m^2>`` of the mean spin m on ``L x L`` periodic sites, ``E = -J sum_<ij> s_i s_j``.

    With the symmetric transfer matrix T between rows, its eigenvectors j of eigenvalue
    ``lambda_j``, and M the sum of a row's spins:
    ``<m^2> = L^-3 sum_y sum_j lambda_j^(L-y) <j|M T^y M|j> / sum_j lambda_j^L``. Above side 8 only
    the leading eigenvectors j are summed over, with ``y <= L/2``.

    Args:
        side: L, from 2 to 16.
        coupling: J; above side 8 at least 0.1, so that few eigenvectors suffice.

    Raises:
        ValueError: If side or coupling is out of its range.

    >>> from rgflow.energies.exact import CRITICAL_COUPLING
    >>> round(ising_m2(8, CRITICAL_COUPLING), 9)
    0.646911575
    """
    if not 2 <= side <= LARGEST_SIDE:
        raise ValueError(f"side: got {side}, expected 2 to {LARGEST_SIDE}")
    if not (math.isfinite(coupling) and can_have_m2(side, coupling)):
        raise ValueError(
            f"coupling: got {coupling} on side {side}, expected a finite number, at least "
            f"{LEAST_COUPLING} above side {DENSE_SIDE}"
        )
    bits = np.arange(2**side)[:, None] >> np.arange(side) & 1
    rows = 1.0 - 2 * bits
    within = coupling * (rows * np.roll(rows, -1, 1)).sum(1) / 2
    total = rows.sum(1)
    # all factors are relative to the largest, so that numbers stay of order one
    root = np.exp(within - within.max())[:, None]
    bond = np.exp(coupling * np.array([[1, -1], [-1, 1]]) - abs(coupling))
    bonds = [
        reduce(np.kron, [bond] * min(TOGETHER, side - first)) for first in range(0, side, TOGETHER)
    ]

    def transfer(vectors: np.ndarray) -> np.ndarray:
        """T times ``(2**L, n)``: half of a row's bonds, those to the next, then the other half."""
        count = vectors.size // len(total)
        v = (root * vectors.reshape(len(total), count)).T
        for matrix in bonds:  # of the first spins, which then go behind the others
            v = (matrix @ v.reshape(count, len(matrix), -1)).swapaxes(1, 2).reshape(count, -1)
        return (root * v.T).reshape(vectors.shape)

    values, vectors = _leading(transfer, side)
    largest = np.abs(values).max()
    values = values / largest
    turned = total[:, None] * vectors
    moved, sums = turned, []
    for y in range(side // 2 + 1):
        sums.append((turned * moved).sum(0) @ values ** (side - y))
        moved = transfer(moved) / largest
    # the terms of y and L - y are equal
    whole = sums[0] + 2 * sum(sums[1:]) - (sums[-1] if side % 2 == 0 else 0)
    return float(whole / (values**side).sum() / side**3)


def _leading(
    transfer: Callable[[np.ndarray], np.ndarray], side: int
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors of T: all of them, or the leading ones above `DENSE_SIDE`."""
    size = 2**side
    if side <= DENSE_SIDE:
        matrix = transfer(np.eye(size))
        return np.linalg.eigh((matrix + matrix.T) / 2)
    from scipy.sparse.linalg import LinearOperator, eigsh

    operator = LinearOperator((size, size), matvec=transfer, matmat=transfer, dtype=float)
    start = np.random.default_rng(0).standard_normal(size)  # ARPACK's own start is not repeatable
    return eigsh(operator, KEPT, which="LA", tol=1e-12, v0=start)
