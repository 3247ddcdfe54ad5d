"""Tiled matrix products in machine code against numpy."""

import numpy as np
import pytest

from rgflow.ops.kernels.products import add_outer, add_product, add_sums

SAMPLES = 21


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 11])
@pytest.mark.parametrize("columns", [1, 2, 3, 4, 5, 7, 10])
def test_products_and_their_gradients(rows, columns):
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((rows, columns)).astype(np.float32)
    h, g, out, back = (
        rng.standard_normal((n, SAMPLES + 2)).astype(np.float32)
        for n in (columns, rows, rows, columns)
    )
    exact = matrix.astype(float)
    wanted, wanted_back = out.copy(), back.copy()
    wanted[:, :SAMPLES] += exact @ h[:, :SAMPLES]
    wanted_back[:, :SAMPLES] += exact.T @ g[:, :SAMPLES]
    add_product(matrix, h, out, SAMPLES)
    add_product(matrix.T, g, back, SAMPLES)
    np.testing.assert_allclose(out, wanted, atol=1e-5)
    np.testing.assert_allclose(back, wanted_back, atol=1e-5)

    total, sums = np.ones((rows, columns), np.float32), np.ones(rows, np.float32)
    add_outer(g, h, total, SAMPLES)
    add_sums(g, sums, SAMPLES)
    outer = g[:, :SAMPLES].astype(float) @ h[:, :SAMPLES].T
    np.testing.assert_allclose(total - 1, outer, atol=1e-5)
    np.testing.assert_allclose(sums - 1, g[:, :SAMPLES].sum(1), atol=1e-5)
