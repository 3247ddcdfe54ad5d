"""Products of a small matrix with a tile ``(features, samples)``, samples innermost in memory.

They are computed in blocks of up to four rows and four columns, so that each number read from the
cache is used up to four times.
"""

from __future__ import annotations

import numpy as np

from rgflow.ops.kernels.jit import inlined, jit


@jit
def add_product(matrix: np.ndarray, h: np.ndarray, out: np.ndarray, samples: int) -> None:
    """``out += matrix h``.

    Args:
        matrix: ``(rows, columns)``, in either order of memory.
        h: ``(columns or more, samples or more)``.
        out: ``(rows or more, samples or more)``.
        samples: How many samples there are.
    """
    rows, columns = matrix.shape
    j = 0
    while j + 2 <= rows:
        i = 0
        if j + 4 <= rows:
            while i + 4 <= columns:
                _add_4_by_4(matrix, j, i, h, out, samples)
                i += 4
            while i + 2 <= columns:
                _add_4_by_2(matrix, j, i, h, out, samples)
                i += 2
            j += 4
        else:
            while i + 2 <= columns:
                _add_2_by_2(matrix, j, i, h, out, samples)
                i += 2
            j += 2
    for j in range(rows):  # an odd last row, and an odd last column
        for i in range(0 if j == rows - 1 and rows % 2 else columns - columns % 2, columns):
            w = matrix[j, i]
            for n in range(samples):
                out[j, n] += w * h[i, n]


@inlined
def _add_4_by_4(m: np.ndarray, j: int, i: int, h: np.ndarray, out: np.ndarray, count: int) -> None:
    a0, a1, a2, a3 = m[j, i], m[j, i + 1], m[j, i + 2], m[j, i + 3]
    b0, b1, b2, b3 = m[j + 1, i], m[j + 1, i + 1], m[j + 1, i + 2], m[j + 1, i + 3]
    c0, c1, c2, c3 = m[j + 2, i], m[j + 2, i + 1], m[j + 2, i + 2], m[j + 2, i + 3]
    d0, d1, d2, d3 = m[j + 3, i], m[j + 3, i + 1], m[j + 3, i + 2], m[j + 3, i + 3]
    for n in range(count):
        h0, h1, h2, h3 = h[i, n], h[i + 1, n], h[i + 2, n], h[i + 3, n]
        out[j, n] += a0 * h0 + a1 * h1 + a2 * h2 + a3 * h3
        out[j + 1, n] += b0 * h0 + b1 * h1 + b2 * h2 + b3 * h3
        out[j + 2, n] += c0 * h0 + c1 * h1 + c2 * h2 + c3 * h3
        out[j + 3, n] += d0 * h0 + d1 * h1 + d2 * h2 + d3 * h3


@inlined
def _add_4_by_2(m: np.ndarray, j: int, i: int, h: np.ndarray, out: np.ndarray, count: int) -> None:
    a0, a1, b0, b1 = m[j, i], m[j, i + 1], m[j + 1, i], m[j + 1, i + 1]
    c0, c1, d0, d1 = m[j + 2, i], m[j + 2, i + 1], m[j + 3, i], m[j + 3, i + 1]
    for n in range(count):
        h0, h1 = h[i, n], h[i + 1, n]
        out[j, n] += a0 * h0 + a1 * h1
        out[j + 1, n] += b0 * h0 + b1 * h1
        out[j + 2, n] += c0 * h0 + c1 * h1
        out[j + 3, n] += d0 * h0 + d1 * h1


@inlined
def _add_2_by_2(m: np.ndarray, j: int, i: int, h: np.ndarray, out: np.ndarray, count: int) -> None:
    a0, a1, b0, b1 = m[j, i], m[j, i + 1], m[j + 1, i], m[j + 1, i + 1]
    for n in range(count):
        h0, h1 = h[i, n], h[i + 1, n]
        out[j, n] += a0 * h0 + a1 * h1
        out[j + 1, n] += b0 * h0 + b1 * h1


@jit
def add_outer(g: np.ndarray, h: np.ndarray, total: np.ndarray, samples: int) -> None:
    """``total += g h^T``: the gradient of a matrix.

    Args:
        g: ``(rows or more, samples or more)``.
        h: ``(columns or more, samples or more)``.
        total: ``(rows, columns)``.
        samples: How many samples there are.
    """
    rows, columns = total.shape
    zero = np.float32(0.0)
    for j in range(0, rows - 1, 2):
        for i in range(0, columns - 1, 2):
            a, b, c, d = zero, zero, zero, zero
            for n in range(samples):
                a += g[j, n] * h[i, n]
                b += g[j, n] * h[i + 1, n]
                c += g[j + 1, n] * h[i, n]
                d += g[j + 1, n] * h[i + 1, n]
            total[j, i] += a
            total[j, i + 1] += b
            total[j + 1, i] += c
            total[j + 1, i + 1] += d
    for j in range(rows):
        for i in range(0 if j == rows - 1 and rows % 2 else columns - columns % 2, columns):
            a = zero
            for n in range(samples):
                a += g[j, n] * h[i, n]
            total[j, i] += a


@jit
def add_sums(g: np.ndarray, total: np.ndarray, samples: int) -> None:
    """Add the sum of g over samples to ``total``, row by row: the gradient of a bias."""
    for j in range(len(total)):
        a = np.float32(0.0)
        for n in range(samples):
            a += g[j, n]
        total[j] += a
