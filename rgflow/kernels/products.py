"""Products of a small matrix with a tile of samples: features by samples, samples innermost."""

from __future__ import annotations

import numpy as np

from rgflow.kernels.jit import jit


@jit
def add_product(
    w: np.ndarray,
    start: int,
    by_row: int,
    by_column: int,
    rows: int,
    columns: int,
    h: np.ndarray,
    out: np.ndarray,
    samples: int,
) -> None:
    """``out += W h``.

    Args:
        w: Numbers among which W lies.
        start: Where it begins.
        by_row: From one row of W to the next.
        by_column: From one column to the next.
        rows: Of W.
        columns: Of W.
        h: ``(columns or more, samples or more)``.
        out: ``(rows or more, samples or more)``.
        samples: Samples.
    """
    for j in range(rows):
        at = start + j * by_row
        i = 0
        while i + 8 <= columns:  # what is added up stays in a register for eight columns
            k = at + i * by_column
            w0, w1, w2, w3 = w[k], w[k + by_column], w[k + 2 * by_column], w[k + 3 * by_column]
            k += 4 * by_column
            w4, w5, w6, w7 = w[k], w[k + by_column], w[k + 2 * by_column], w[k + 3 * by_column]
            for n in range(samples):
                out[j, n] += (
                    w0 * h[i, n]
                    + w1 * h[i + 1, n]
                    + w2 * h[i + 2, n]
                    + w3 * h[i + 3, n]
                    + w4 * h[i + 4, n]
                    + w5 * h[i + 5, n]
                    + w6 * h[i + 6, n]
                    + w7 * h[i + 7, n]
                )
            i += 8
        while i + 2 <= columns:
            k = at + i * by_column
            w0, w1 = w[k], w[k + by_column]
            for n in range(samples):
                out[j, n] += w0 * h[i, n] + w1 * h[i + 1, n]
            i += 2
        if i < columns:
            w0 = w[at + i * by_column]
            for n in range(samples):
                out[j, n] += w0 * h[i, n]


@jit
def add_outer(
    g: np.ndarray,
    h: np.ndarray,
    rows: int,
    columns: int,
    total: np.ndarray,
    start: int,
    samples: int,
) -> None:
    """``total += g h^T``, row by row from ``start`` on: the gradient of a matrix."""
    zero = np.float32(0.0)
    j = 0
    while j + 2 <= rows:
        k, below = start + j * columns, start + (j + 1) * columns
        i = 0
        while i + 2 <= columns:
            a, b, c, d = zero, zero, zero, zero
            for n in range(samples):
                a += g[j, n] * h[i, n]
                b += g[j, n] * h[i + 1, n]
                c += g[j + 1, n] * h[i, n]
                d += g[j + 1, n] * h[i + 1, n]
            total[k + i] += a
            total[k + i + 1] += b
            total[below + i] += c
            total[below + i + 1] += d
            i += 2
        if i < columns:
            a, c = zero, zero
            for n in range(samples):
                a += g[j, n] * h[i, n]
                c += g[j + 1, n] * h[i, n]
            total[k + i] += a
            total[below + i] += c
        j += 2
    if j < rows:
        for i in range(columns):
            a = zero
            for n in range(samples):
                a += g[j, n] * h[i, n]
            total[start + j * columns + i] += a


@jit
def add_sums(g: np.ndarray, rows: int, total: np.ndarray, start: int, samples: int) -> None:
    """``total += sum of g over samples``, the gradient of a column that was added."""
    for j in range(rows):
        a = np.float32(0.0)
        for n in range(samples):
            a += g[j, n]
        total[start + j] += a
